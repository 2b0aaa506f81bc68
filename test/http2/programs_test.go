package http2

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const page = `<!doctype html><title>x</title><p id="p">no</p><script>
fetch('/wait'); // the browser's time stands still while it has a request under way, and would be over else before the message comes
Promise.all([...Array(50).keys()].map(i => fetch('/piece/' + i).then(r => r.text()))).then(all => {
  const s = new WebSocket('wss://' + location.host + '/chat');
  s.onopen = () => s.send('over ' + performance.getEntriesByType('navigation')[0].nextHopProtocol);
  s.onmessage = async (m) => { const said = await new Response(m.data).text(); document.getElementById('p').textContent = all.join(',').length + ' ' + said; document.title = 'done'; };
});
</script>`

// Browsers, curl and h2load agree with weir on HTTP/2 without being told to.
func TestProgramsSpeakHTTP2(t *testing.T) {
	at := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/piece/") {
			fmt.Fprint(w, strings.Repeat("x", 1000))
			return
		}
		if r.URL.Path == "/wait" {
			time.Sleep(2 * time.Second)
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
		out, err := run(t, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--ignore-certificate-errors", "--disable-quic", "--virtual-time-budget=15000",
			"--user-data-dir="+filepath.Join(w.dir, "chromium"), "--dump-dom", url)
		if err != nil || !strings.Contains(out, "50049 over h2") {
			t.Errorf("%v\n%s", err, out)
		}
	})
	w.logs(`"target":"/chat".*"version":"2.0"`)
}
