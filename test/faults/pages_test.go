package faults

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestPages asks a running weir for errors of its own and of a server, before, in and after maintenance.
func TestPages(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "sorry.html"), []byte("<style>p { margin: 0 }</style><p>{status} {request_id}</p>\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(`
listeners: { front: { address: "FRONT", trusted_proxies: [127.0.0.1] } }
defaults:
  error_pages:
    404: { html: "lost {path}", json: '{"lost":true}' }
    5xx: { file: %s/sorry.html }
pools: { dead: { servers: "127.0.0.1:1" } }
sites:
  app.test:
    maintenance: MODE
    error_pages: { 500-599: { plain: "{status} {reason}", intercept: on } }
    /pool/*: dead
    /files/*: { files: DIR }
    /own: { respond: 503, maintenance: off }
admin: "ADMIN"
logs: { access: { format: json, file: DIR/access.log } }
`, dir)
	s := start(t, strings.Replace(config, "MODE", "off", 1))
	ask := func(host, path, accept, client string) (int, string, http.Header) {
		t.Helper()
		r, _ := http.NewRequest("GET", "http://"+s.address["FRONT"]+path, nil)
		r.Host = host
		r.Header.Set("Accept", accept)
		r.Header.Set("X-Forwarded-For", client)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		return response.StatusCode, string(body), response.Header
	}
	want := func(host, path, accept, client string, status int, body string) http.Header {
		t.Helper()
		got, text, head := ask(host, path, accept, client)
		if got != status || text != body {
			t.Errorf("%s%s: %d %q, want %d %q", host, path, got, text, status, body)
		}
		if head.Get("Cache-Control") != "no-store" {
			t.Errorf("%s%s may be kept: %v", host, path, head)
		}
		return head
	}
	want("unknown.test", "/x", "text/html", "", 404, "lost /x")
	want("unknown.test", "/x", "application/json", "", 404, `{"lost":true}`)
	want("app.test", "/files/none", "*/*", "", 404, "lost /files/none")
	want("app.test", "/pool/x", "text/html", "", 502, "502 Bad Gateway")
	want("app.test", "/own", "text/html", "", 503, "503 Service Unavailable")

	s.write(strings.Replace(config, "MODE", "{ page: works, retry_after: 1h, allow: [10.0.0.0/8] }", 1))
	s.reload(reloaded)
	if head := want("app.test", "/pool/x", "text/html", "192.0.2.1", 503, "works"); head.Get("Retry-After") != "3600" {
		t.Errorf("Retry-After: %q", head.Get("Retry-After"))
	}
	want("app.test", "/pool/x", "text/html", "10.1.2.3", 502, "502 Bad Gateway")
	want("app.test", "/own", "text/html", "192.0.2.1", 503, "503 Service Unavailable")

	// What the client is told of its request stands in the log, too.
	s.write(strings.Replace(strings.Replace(config, "MODE", "off", 1), "500-599", "501", 1))
	s.reload(reloaded)
	_, text, _ := ask("app.test", "/pool/x", "text/html", "")
	found := regexp.MustCompile(`^<style>p \{ margin: 0 \}</style><p>502 ([0-9a-z]+)</p>$`).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("got %q", text)
	}
	within(t, 5*time.Second, "the log to know request "+found[1], func() bool {
		log, _ := os.ReadFile(filepath.Join(s.dir, "access.log"))
		return strings.Contains(string(log), "request "+found[1]+`"`)
	})
}
