package tls

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

const clearText = `
listeners:
  clear:    { address: "CLEAR", trusted_proxies: [127.0.0.1], trusted_fields: x_forwarded }
  public:   { address: "PUBLIC", public_url: "https://front.test" }
  told:     { address: "TOLD", proxy_protocol: { from: [127.0.0.1] } }
  redirect: { address: "REDIRECT", redirect: https, trusted_proxies: [127.0.0.1], trusted_fields: x_forwarded }
  https:    { address: "HTTPS", tls: HTTPSTLS }
tls: TOPTLS
sites:
  open.test:   { respond: { body: open.test } }
  free.test:   { tls: { client_auth: off }, respond: { body: free.test } }
  strict.test: { tls: { client_auth: DIR/a.pem }, respond: { body: strict.test } }
  modern.test: { tls: { min_version: "1.3" }, respond: { body: modern.test } }
  both.test:   { tls: { min_version: "1.3", client_auth: off }, respond: { body: both.test } }
admin: { socket: off, address: ["ADMIN"] }
logs: { access: off }
data: DIR/data
`

// What sites ask for holds for requests in clear text too, whoever says that they came by TLS; redirects to https go on, as they lead where the site can be had.
func TestWhatSitesAskForHoldsInClearText(t *testing.T) {
	for _, c := range []struct {
		name, top, listener string
		served              string // sites that clear text gets
	}{
		{"nothing at the top", "{ acme: off }", "on", "open.test free.test"},
		{"at the top", "{ acme: off, client_auth: DIR/a.pem }", "on", "free.test"},
		{"at the top and off at the listener", "{ acme: off, client_auth: DIR/a.pem }", "{ client_auth: off }", "free.test"},
		{"optional at the top", "{ acme: off, client_auth: { ca: DIR/a.pem, verify: optional } }", "on", "free.test"},
		{"at the listener with tls", "{ acme: off }", "{ client_auth: DIR/a.pem }", "open.test free.test"},
		{"a version at the top", `{ acme: off, min_version: "1.3" }`, "on", "open.test free.test"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			newAuthority(t, dir, "a")
			addresses, err := peers.FreeAddresses(6)
			if err != nil {
				t.Fatal(err)
			}
			config := strings.NewReplacer("HTTPSTLS", c.listener, "TOPTLS", c.top).Replace(clearText)
			config = strings.NewReplacer("DIR", dir, "CLEAR", addresses[0], "PUBLIC", addresses[1], "TOLD", addresses[2], "REDIRECT", addresses[3], "HTTPS", addresses[4],
				"ADMIN", addresses[5]).Replace(config)
			binary, err := peers.WeirBinary()
			if err != nil {
				t.Fatal(err)
			}
			weir, err := peers.Weir(binary, dir, config, addresses...)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { weir.Stop() })
			clear, public, told, redirect, admin := addresses[0], addresses[1], addresses[2], addresses[3], addresses[5]
			for _, host := range []string{"open.test", "free.test", "strict.test", "modern.test", "both.test"} {
				want := 421
				if strings.Contains(c.served, host) {
					want = 200
				}
				for _, asked := range []struct {
					how, address, proxy, proto string
					overHTTP2                  bool
					want                       int
				}{
					{"HTTP/1.1", clear, "", "", false, want},
					{"HTTP/2 in clear text", clear, "", "", true, want},
					{"a proxy that says https", clear, "", "https", false, want},
					{"public_url", public, "", "", false, want},
					{"PROXY", told, "PROXY TCP4 192.0.2.1 192.0.2.2 1000 443\r\n", "", false, want},
					{"a redirect", redirect, "", "", false, 308},
					{"a redirect, HTTP/2", redirect, "", "", true, 308},
					{"a redirect, and a proxy that says https", redirect, "", "https", false, want},
				} {
					status, location := askClear(t, asked.address, host, asked.proxy, asked.proto, asked.overHTTP2)
					if status != asked.want || status == 308 && !strings.HasPrefix(location, "https://"+host+":") {
						t.Errorf("%s by %s: %d %q, want %d", host, asked.how, status, location, asked.want)
					}
				}
			}
			if status, _ := askClear(t, admin, "localhost", "", "", false, "/healthz"); status != 200 {
				t.Errorf("/healthz: %d", status)
			}
		})
	}
}

// askClear asks in clear text; proxy comes before the request.
func askClear(t *testing.T, address, host, proxy, proto string, overHTTP2 bool, path ...string) (status int, location string) {
	t.Helper()
	transport := &http.Transport{Protocols: new(http.Protocols), DisableKeepAlives: true}
	transport.Protocols.SetHTTP1(!overHTTP2)
	transport.Protocols.SetUnencryptedHTTP2(overHTTP2)
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err == nil && proxy != "" {
			_, err = c.Write([]byte(proxy))
		}
		return c, err
	}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", "http://"+host+strings.Join(append(path, "/")[:1], ""), nil)
	if err != nil {
		t.Fatal(err)
	}
	if proto != "" {
		r.Header.Set("X-Forwarded-Proto", proto)
	}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode, answer.Header.Get("Location")
}

// A reload that begins to ask for certificates at the top holds for the next request, also of connections in clear text that were there before.
func TestAReloadThatAsksForCertificatesHoldsInClearText(t *testing.T) {
	dir := t.TempDir()
	newAuthority(t, dir, "a")
	const config = `{ listeners: { clear: "FRONT", https: { address: "GUARDED", tls: on } }, tls: { acme: offMORE }, sites: { open.test: { respond: 200 } }, admin: off, logs: { access: off }, data: DIR/data }`
	weir, front, _ := start(t, dir, strings.Replace(config, "MORE", "", 1))
	c, err := net.Dial("tcp", front)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	in := bufio.NewReader(c)
	ask := func() int {
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: open.test\r\n\r\n")
		r, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, r.Body)
		return r.StatusCode
	}
	if status := ask(); status != 200 {
		t.Fatalf("status %d", status)
	}
	file := filepath.Join(dir, "weir.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.Replace(string(text), "acme: off", "acme: off, client_auth: "+filepath.Join(dir, "a.pem"), 1))
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := weir.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for by := time.Now().Add(5 * time.Second); ask() != 421; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(by) {
			t.Fatal("requests are served in clear text after the reload")
		}
	}
}
