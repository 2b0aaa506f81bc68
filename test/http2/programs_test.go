package http2

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

const page = `<!doctype html><title>x</title><p id="p">no</p><script>
Promise.all([...Array(50).keys()].map(i => fetch('/piece/' + i).then(r => r.text()))).then(all => {
  const s = new WebSocket('wss://' + location.host + '/chat');
  s.onopen = () => s.send('over ' + performance.getEntriesByType('navigation')[0].nextHopProtocol);
  s.onmessage = async (m) => fetch('/said?' + encodeURIComponent(all.join(',').length + ' ' + await new Response(m.data).text()));
});
</script>`

// Browsers, curl and h2load agree with weir on HTTP/2 without being told to.
func TestProgramsSpeakHTTP2(t *testing.T) {
	said := make(chan string, 1)
	at := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/piece/") {
			fmt.Fprint(w, strings.Repeat("x", 1000))
			return
		}
		if r.URL.Path == "/said" {
			said <- r.URL.RawQuery
			return
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, page)
	}))
	ws := webSocketServers(t)
	w := newWorld(t, fmt.Sprintf("pools:\n  app: { servers: [%q] }\n  chat: { servers: [%q] }\nsites:\n  \"*\":\n    /chat: chat\n    /*: app\n", at, ws["http1"]))
	url := "https://localhost:" + port(w.secure) + "/"
	t.Run("curl", func(t *testing.T) {
		for _, args := range [][]string{{"--cacert", filepath.Join(w.dir, "cert.pem"), url}, {"--http2-prior-knowledge", "http://" + w.clear + "/"}} {
			out, err := run(t, "curl", append([]string{"-sS", "-o", os.DevNull, "-w", "%{http_version} %{http_code}"}, args...)...)
			if err != nil || out != "2 200" {
				t.Errorf("%v: %q %v", args, out, err)
			}
		}
	})
	t.Run("h2load", func(t *testing.T) {
		out, err := run(t, "h2load", "-n", "5000", "-c", "20", "-m", "20", url)
		if err != nil || !regexp.MustCompile(`5000 succeeded, 0 failed, 0 errored`).MatchString(out) {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("chromium", func(t *testing.T) {
		program, err := peers.Find("chromium")
		if err != nil {
			t.Fatal(err)
		}
		browser, err := peers.Start("chromium", w.dir, exec.Command(program, "--headless", "--no-sandbox", "--disable-gpu", "--ignore-certificate-errors",
			"--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-dev-shm-usage", "--remote-debugging-port=0",
			"--user-data-dir="+filepath.Join(w.dir, "chromium"), url))
		if err != nil {
			t.Fatal(err)
		}
		defer browser.Stop()
		select {
		case got := <-said:
			if got != "50049%20over%20h2" {
				t.Errorf("the page says %q", got)
			}
		case <-time.After(30 * time.Second):
			t.Error("the page says nothing")
		}
	})
	w.logs(`"target":"/chat".*"version":"2.0"`)
}
