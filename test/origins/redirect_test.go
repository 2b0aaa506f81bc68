package origins

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

// TestRedirectsBehindProxiesThatEndTLS: a client that came to a proxy by https must not be sent there again, whichever way the proxy says so, and a client that only says so itself must.
func TestRedirectsBehindProxiesThatEndTLS(t *testing.T) {
	addresses, err := peers.FreeAddresses(6)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: t.TempDir()}
	w.certificate("app", "app.test")
	text := strings.NewReplacer("LX", addresses[0], "LRFC", addresses[1], "LNONE", addresses[2], "LURL", addresses[3], "LTLS", addresses[4], "ADMIN", addresses[5]).Replace(`
listeners:
  x:    { address: LX, redirect: https, trusted_proxies: [127.0.0.0/8] }
  rfc:  { address: LRFC, redirect: https, trusted_proxies: [127.0.0.0/8], trusted_fields: rfc7239 }
  none: { address: LNONE, redirect: https }
  url:  { address: LURL, redirect: https, public_url: "https://pub.test:8443" }
  tls:  { address: LTLS, public_port: 4443, tls: { certificates: [{ cert: app/cert.pem, key: app/key.pem }] } }
logs: { access: off }
admin: { address: ADMIN, socket: off }
sites:
  app.test: { respond: { status: 200, headers: { X-Said: "{scheme} {host} {port} {client_ip}" } } }
`)
	binary, err := peers.WeirBinary()
	if err != nil {
		t.Fatal(err)
	}
	p, err := peers.Weir(binary, w.dir, text, addresses...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop() })
	c := &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, a := range []struct{ address, host, fields, want string }{
		{addresses[0], "app.test", "", "308 https://app.test:4443/p%2Fq?x"},
		{addresses[0], "app.test", "X-Forwarded-Proto: https|X-Forwarded-Host: pub.test:444|X-Forwarded-For: 192.0.2.1", "200 https pub.test 444 192.0.2.1"},
		{addresses[0], "app.test", "Forwarded: for=192.0.2.1;proto=https", "308 https://app.test:4443/p%2Fq?x"},
		{addresses[0], "app.test", "X-Forwarded-Proto: http|X-Forwarded-Host: pub.test", "308 https://pub.test:4443/p%2Fq?x"},
		{addresses[1], "app.test", "Forwarded: for=192.0.2.1;proto=https;host=pub.test", "200 https pub.test  192.0.2.1"},
		{addresses[1], "app.test", "X-Forwarded-Proto: https", "308 https://app.test:4443/p%2Fq?x"},
		{addresses[2], "app.test", "X-Forwarded-Proto: https|Forwarded: proto=https", "308 https://app.test:4443/p%2Fq?x"},
		{addresses[2], "elsewhere.test", "", "404 "},
		{addresses[3], "app.test", "", "200 https pub.test 8443 127.0.0.1"},
	} {
		r, err := http.NewRequest("GET", "http://"+a.address+"/p%2Fq?x", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = a.host
		for _, f := range strings.FieldsFunc(a.fields, func(c rune) bool { return c == '|' }) {
			name, value, _ := strings.Cut(f, ": ")
			r.Header.Set(name, value)
		}
		res, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := res.Status[:4] + res.Header.Get("Location") + res.Header.Get("X-Said"); got != a.want {
			t.Errorf("%s with %q: got %q, want %q", a.host, a.fields, got, a.want)
		}
	}
}

// OPTIONS * asks about the server and has no path; the URL that it is redirected to has that of the root.
func TestRedirectsOfTheWholeServer(t *testing.T) {
	addresses, err := peers.FreeAddresses(3)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: t.TempDir()}
	w.certificate("app", "app.test")
	binary, err := peers.WeirBinary()
	if err != nil {
		t.Fatal(err)
	}
	p, err := peers.Weir(binary, w.dir, strings.NewReplacer("CLEAR", addresses[0], "TLS", addresses[1], "ADMIN", addresses[2]).Replace(`
listeners:
  clear: { address: CLEAR, redirect: https }
  tls:   { address: TLS, tls: { certificates: [{ cert: app/cert.pem, key: app/key.pem }] } }
logs: { access: off }
admin: { address: ADMIN, socket: off }
sites:
  app.test: { redirect: "https://new.test{uri}" }
  path.test: { redirect: "https://new.test/below{path}?p={path}" }
  star.test: { /*: { redirect: "https://new.test/star/*" } }
`), addresses...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop() })
	port := addresses[1][strings.LastIndexByte(addresses[1], ':')+1:]
	for _, version := range []int{1, 2} {
		c := &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "app.test"}, ForceAttemptHTTP2: version == 2}}
		for _, a := range []struct{ scheme, address, host, want string }{
			{"http", addresses[0], "app.test", "https://app.test:" + port + "/"},
			{"https", addresses[1], "app.test", "https://new.test/"},
			{"https", addresses[1], "path.test", "https://new.test/below/?p=/"},
			{"https", addresses[1], "star.test", "https://new.test/star/"},
		} {
			r := &http.Request{Method: "OPTIONS", Host: a.host, URL: &url.URL{Scheme: a.scheme, Host: a.address, Opaque: "*"}, Header: http.Header{}}
			response, err := c.Do(r)
			if err != nil {
				t.Errorf("HTTP/%d %s: %v", version, a.host, err)
				continue
			}
			response.Body.Close()
			if got := response.Header.Get("Location"); got != a.want || a.scheme == "https" && response.ProtoMajor != version {
				t.Errorf("HTTP/%d %s: %s to %q, want %q", response.ProtoMajor, a.host, response.Status, got, a.want)
			}
		}
	}
}
