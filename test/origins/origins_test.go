package origins

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/test/peers"
)

func TestThreeOriginsThroughOneWeir(t *testing.T) {
	w := newWorld(t)
	for _, part := range []struct {
		name string
		run  func(w *world)
	}{
		{"names lead to their origins", names}, {"http is redirected", redirect}, {"methods and ranges", methods},
		{"servers are hidden", hidden},
		{"connections are kept", keepAlive}, {"large downloads", downloads},
		{"large uploads", uploads}, {"body limit", bodyLimit},
		{"streams and events", streams}, {"wrk", wrk}, {"chromium", chromium}, {"what weir says of it", said},
	} {
		t.Run(part.name, func(t *testing.T) {
			in := *w
			in.t = t
			part.run(&in)
		})
	}
}

func names(w *world) {
	for url, origin := range map[string]string{
		w.url("meet.contoso.test", "/"):                "nginx",
		w.url("dialin.contoso.test", "/"):              "nginx",
		w.url("lyncdiscover.contoso.test", "/"):        "nginx",
		w.url("lyncweb.contoso.test", "/"):             "nginx",
		w.url("lyncweb.contoso.test", "/m/page"):       "node",
		w.url("mail.contoso.test", "/"):                "apache",
		w.url("mail.contoso.test", "/rpc/answer"):      "apache",
		w.url("MAIL.contoso.test", "/%72pc/answer"):    "apache",
		w.url("lyncweb.contoso.test", "/m/api?x=%2fy"): "node",
	} {
		if got := w.curl("-o", "/dev/null", "-w", "%{http_code} %header{x-origin}", url); got != "200 "+origin {
			w.t.Errorf("%s: %s, want %s", url, got, origin)
		}
	}
	if got := w.curl("-k", "-o", "/dev/null", "-w", "%{http_code}", w.url("unknown.test", "/")); got != "404" {
		w.t.Errorf("a name that is not published: %s", got)
	}
	var seen struct{ URL, Host, Proto, For string }
	body := w.curl("-H", "X-Forwarded-For: 198.51.100.1", "-H", "X-Forwarded-Proto: gopher", w.url("lyncweb.contoso.test", "/m/api?x=%2fy"))
	if err := json.Unmarshal([]byte(body), &seen); err != nil {
		w.t.Fatal(err)
	}
	if seen.URL != "/m/api?x=%2fy" || seen.Host != "lyncweb.contoso.test:"+w.https || seen.Proto != "https" || seen.For != "127.0.0.1" {
		w.t.Errorf("Node was told %+v", seen)
	}
}

func redirect(w *world) {
	from := "http://meet.contoso.test:" + w.http + "/index.html?a=b"
	if got := w.curl("-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", from); got != "308 "+w.url("meet.contoso.test", "/index.html?a=b") {
		w.t.Errorf("%s: %s", from, got)
	}
	if got := w.curl("-L", from); got != "<h1>hello</h1>\n" {
		w.t.Errorf("followed: %q", got)
	}
}

func methods(w *world) {
	for _, host := range []string{"meet.contoso.test", "mail.contoso.test"} {
		if got := w.curl("-I", "-w", "%{http_code} %{size_download}", w.url(host, "/digits")); !strings.Contains(got, "Content-Length: 10\r\n") ||
			!strings.HasSuffix(got, "\r\n200 0") {
			w.t.Errorf("HEAD: %q", got)
		}
		if got := w.curl("-r", "2-4", "-w", " %{http_code}", w.url(host, "/digits")); got != "234 206" {
			w.t.Errorf("range: %q", got)
		}
		if got := w.curl("-r", "0-0,9-9", "-w", " %{http_code} %{content_type}", w.url(host, "/digits")); !strings.Contains(got, " 206 multipart/byteranges") {
			w.t.Errorf("ranges: %q", got)
		}
		if got := w.curl("-o", "/dev/null", "-w", "%{http_code}", "-z", filepath.Join(w.files, "digits"), w.url(host, "/digits")); got != "304" {
			w.t.Errorf("not modified: %s", got)
		}
		if got := w.curl("-o", "/dev/null", "-w", "%{http_code}", w.url(host, "/missing")); got != "404" {
			w.t.Errorf("missing: %s", got)
		}
	}
	body := w.curl("-d", "a=b", w.url("lyncweb.contoso.test", "/m/api"))
	if !strings.Contains(body, `"method":"POST"`) || !strings.Contains(body, `"body":"a=b"`) {
		w.t.Errorf("POST: %s", body)
	}
	body = w.curl("-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue", "-d", "a=b", w.url("lyncweb.contoso.test", "/m/api"))
	if !strings.Contains(body, `"body":"a=b"`) {
		w.t.Errorf("chunked POST: %s", body)
	}
}

// hidden has nginx and Apache redirect to directories, which each does with the name and port that it takes for its own.
func hidden(w *world) {
	for from, to := range map[string]string{
		w.url("meet.contoso.test", "/named"):           w.url("meet.contoso.test", "/named/"),
		w.url("meet.contoso.test", "/named/sub"):       w.url("meet.contoso.test", "/named/sub/"),
		w.url("mail.contoso.test", "/named/sub"):       w.url("mail.contoso.test", "/named/sub/"),
		w.url("mail.contoso.test", "/below/named/sub"): w.url("mail.contoso.test", "/below/named/sub/"),
		w.url("mail.contoso.test", "/above/sub"):       w.url("mail.contoso.test", "/above/sub/"),
	} {
		if got := w.curl("-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", from); got != "301 "+to {
			w.t.Errorf("%s: %s, want 301 %s", from, got, to)
		}
		if got := w.curl("-D", "-", "-o", "/dev/null", from); strings.Contains(got, "\r\nServer:") || strings.Contains(got, "internal") || strings.Contains(got, "origin.test") {
			w.t.Errorf("%s tells of the server: %s", from, got)
		}
	}
}

func keepAlive(w *world) {
	got := w.curl("-o", "/dev/null", "-w", "%{num_connects} ", w.url("lyncweb.contoso.test", "/"), "-o", "/dev/null",
		w.url("lyncweb.contoso.test", "/m/page"), "-o", "/dev/null", w.url("lyncweb.contoso.test", "/missing"), "-o", "/dev/null", w.url("lyncweb.contoso.test", "/m/stream"))
	if got != "1 0 0 0 " {
		w.t.Errorf("new connections for each of four requests: %q", got)
	}
}

func downloads(w *world) {
	want := sum(w, filepath.Join(w.files, "large"))
	for _, host := range []string{"meet.contoso.test", "mail.contoso.test"} {
		to := filepath.Join(w.t.TempDir(), "large")
		if got := w.curl("-o", to, "-w", "%{http_code}", w.url(host, "/large")); got != "200" || sum(w, to) != want {
			w.t.Errorf("%s: %s, and what came is not what was sent", host, got)
		}
	}
}

func uploads(w *world) {
	large := filepath.Join(w.files, "large")
	want := sum(w, large)
	if got := w.curl("-T", large, "-X", "POST", w.url("lyncweb.contoso.test", "/m/hash")); got != want {
		w.t.Errorf("Node received %s, want %s", got, want)
	}
	if got := w.curl("-T", "-", "-X", "POST", w.url("lyncweb.contoso.test", "/m/hash")); got != hex.EncodeToString(sha256.New().Sum(nil)) {
		w.t.Errorf("Node received %s of an empty body", got)
	}
	if got := w.curl("-T", large, "-w", "%{http_code}", w.url("lyncweb.contoso.test", "/upload/large")); got != "201" {
		w.t.Errorf("PUT to nginx: %s", got)
	}
	if got := sum(w, filepath.Join(w.files, "upload/large")); got != want {
		w.t.Errorf("nginx received %s, want %s", got, want)
	}
	if got := w.curl("-T", large, "-X", "POST", "-H", "Expect:", w.url("mail.contoso.test", "/rpc/answer")); got != "rpc" {
		w.t.Errorf("POST to Apache: %q", got)
	}
}

func bodyLimit(w *world) {
	got := w.curl("-T", filepath.Join(w.files, "large"), "-X", "POST", "-o", "/dev/null", "-w", "%{http_code}", w.url("mail.contoso.test", "/answer"))
	if got != "413" {
		w.t.Errorf("100 MiB where 64 MiB are the limit: %s", got)
	}
}

func streams(w *world) {
	if got := w.curl("-i", w.url("lyncweb.contoso.test", "/m/stream")); !strings.HasSuffix(got, "piece 1\npiece 2\npiece 3\npiece 4\npiece 5\n") {
		w.t.Errorf("stream: %q", got)
	}
	if got := w.curl("-i", "-H", "TE: trailers", w.url("lyncweb.contoso.test", "/m/stream")); !strings.Contains(got, "\r\nTrailer: X-Pieces\r\n") ||
		!strings.Contains(got, "X-Pieces: 5") {
		w.t.Errorf("stream without its trailer: %q", got)
	}
	// What comes within a second has not been held back.
	out, err := w.run(5*time.Second, "curl", "-sS", "-N", "-k", "--http1.1", "--max-time", "1", "--connect-to", "::127.0.0.1:",
		w.url("lyncweb.contoso.test", "/m/events"))
	if err == nil || strings.Count(out, "data: ") < 3 {
		w.t.Errorf("events: %q, %v", out, err)
	}
}

func wrk(w *world) {
	for _, target := range []struct{ host, path string }{{"meet.contoso.test", "/index.html"}, {"mail.contoso.test", "/index.html"},
		{"lyncweb.contoso.test", "/m/page"}} {
		out, err := w.run(10*time.Second, "wrk", "-t", "1", "-c", "32", "-d", "2s", "-H", "Host: "+target.host, "https://127.0.0.1:"+w.https+target.path)
		if err != nil || strings.Contains(out, "Socket errors") || strings.Contains(out, "Non-2xx") || !strings.Contains(out, "Requests/sec") {
			w.t.Errorf("%s: %v\n%s", target.host, err, out)
		}
		_, rate, _ := strings.Cut(out, "Requests/sec:")
		w.t.Logf("%s%s: %s requests a second", target.host, target.path, strings.Fields(rate)[0])
	}
}

func chromium(w *world) {
	dom, err := w.run(60*time.Second, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
		"--ignore-certificate-errors", "--host-resolver-rules=MAP * 127.0.0.1", "--user-data-dir="+w.t.TempDir(), "--dump-dom",
		w.url("lyncweb.contoso.test", "/m/page"))
	if err != nil {
		w.t.Fatalf("%v\n%s", err, dom)
	}
	for _, part := range []string{"<title>with image</title>", "fetched POST from the page https", "echoed over the weir closed 1000"} {
		if !strings.Contains(dom, part) {
			w.t.Errorf("the page does not say %q:\n%s", part, dom)
		}
	}
}

// said holds weir's own account against what has been done.
func said(w *world) {
	response, err := peers.AskAdmin(w.admin, "/status")
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	var status api.Status
	if err := json.NewDecoder(response.Body).Decode(&status); err != nil {
		w.t.Fatal(err)
	}
	for _, p := range status.Pools {
		w.t.Logf("%s: %s", p.Name, p.Multiplexing.Text)
		for _, s := range p.Servers {
			if s.Requests == 0 || s.Ejections > 0 {
				w.t.Errorf("%s: %+v", p.Name, s)
			}
		}
	}
	log, err := os.ReadFile(w.weir.Log)
	if err != nil || bytes.Contains(log, []byte("panic")) {
		w.t.Errorf("weir said: %s %v", log, err)
	}
}

func sum(w *world, file string) string {
	w.t.Helper()
	f, err := os.Open(file)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		w.t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}
