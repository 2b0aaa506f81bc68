package layer4

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/weir-proxy/weir/test/peers"
)

// secureServer is an nginx with a certificate of its own, which says its name, and who it thinks asks.
func secureServer(t *testing.T, name string, hosts ...string) (address string, certificate *peers.Certificate) {
	t.Helper()
	dir := t.TempDir()
	certificate, err := peers.NewCertificate(dir, hosts...)
	if err != nil {
		t.Fatal(err)
	}
	address = free(t)
	p, err := peers.Nginx(dir, fmt.Sprintf(`
daemon off; pid nginx.pid; error_log stderr crit;
events { worker_connections 256; }
http { access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server { listen %s ssl http2; ssl_certificate %s; ssl_certificate_key %s; location / { return 200 "%s"; } } }
`, address, certificate.Cert, certificate.Key, name), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop() })
	return address, certificate
}

func TestTLSIsPassedOnByName(t *testing.T) {
	front, dir := free(t), t.TempDir()
	a, certificateA := secureServer(t, "a", "a.example")
	b, certificateB := secureServer(t, "b", "x.b.example")
	rest, certificateRest := secureServer(t, "rest", "other.example")
	h1, certificateH1 := secureServer(t, "only http/1.1", "both.example")
	own, err := peers.NewCertificate(dir, "www.example")
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, dir, fmt.Sprintf(`
listeners:
  front:
    address: %q
    protocol: tls
    tls: { certificates: [{ cert: %q, key: %q }] }
    timeouts: { header: 1s }
    pool: rest
    sites:
      a.example: a
      "*.b.example": b
      both.example: { pool: a, alpn: { http/1.1: h1 } }
      www.example: terminate
pools:
  a: { servers: [%q] }
  b: { servers: [%q] }
  h1: { servers: [%q] }
  rest: { servers: [%q] }
sites: { "*": { respond: { body: "terminated here" } } }
admin: "ADMIN"
logs: { access: { file: DIR/access.log, format: json } }
`, front, own.Cert, own.Key, a, b, h1, rest))
	eventually(t, "weir listens", func() bool {
		c, err := net.Dial("tcp", front)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	_, port, _ := net.SplitHostPort(front)
	ask := func(host, ca string, more ...string) string {
		args := append([]string{"-s", "--max-time", "5", "--cacert", ca, "--resolve", host + ":" + port + ":127.0.0.1", "https://" + host + ":" + port + "/"}, more...)
		out, err := exec.Command("curl", args...).CombinedOutput()
		if err != nil {
			return fmt.Sprintf("%s: %v", out, err)
		}
		return string(out)
	}
	for _, c := range []struct{ host, ca, option, want string }{
		{"a.example", certificateA.Cert, "--http2", "a"},
		{"a.example", certificateA.Cert, "--tls-max=1.2", "a"},
		{"x.b.example", certificateB.Cert, "--http1.1", "b"},
		{"other.example", certificateRest.Cert, "--http1.1", "rest"},
		{"both.example", certificateH1.Cert, "--http1.1", "only http/1.1"},
		{"www.example", own.Cert, "--http1.1", "terminated here"},
		{"www.example", own.Cert, "--http2", "terminated here"},
	} {
		if got := ask(c.host, c.ca, strings.Split(c.option, "=")...); c.option != "--tls-max=1.2" && got != c.want {
			t.Errorf("%s with %s: %q", c.host, c.option, got)
		}
	}
	if got := ask("a.example", certificateA.Cert, "--tls-max", "1.2"); got != "a" {
		t.Errorf("with TLS 1.2: %q", got)
	}
	both, err := tls.Dial("tcp", front, &tls.Config{ServerName: "both.example", NextProtos: []string{"h2", "http/1.1"}, InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := both.ConnectionState().PeerCertificates[0].VerifyHostname("both.example"); err != nil {
		t.Errorf("the first of the client's protocols that has a pool of its own wins: %v", err)
	}
	both.Close()
	// What is no TLS, and who says nothing.
	c, err := net.Dial("tcp", front)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, "GET / HTTP/1.1\r\n\r\n")
	if b, err := io.ReadAll(c); len(b) > 0 || !isReset(err) {
		t.Errorf("clear text gets %q, %v", b, err)
	}
	silent, err := net.Dial("tcp", front)
	if err != nil {
		t.Fatal(err)
	}
	silent.Write([]byte{22, 3, 1})
	if _, err := io.ReadAll(silent); !isReset(err) {
		t.Errorf("who stops within its hello reads %v", err)
	}
	reasons := s.status().Tunnels.Reasons
	if reasons["client.read.hello_malformed"] != 1 || reasons["client.read.hello_timeout"] != 1 {
		t.Errorf("%v", reasons)
	}
}

// Other products before and behind weir speak the PROXY protocol with it, of both versions.
func TestClientsAreKnownThroughProxies(t *testing.T) {
	for _, version := range []string{"v1", "v2"} {
		t.Run(version, func(t *testing.T) {
			dir, behind, outer := t.TempDir(), free(t), free(t)
			haproxy, tunnel, web := free(t), free(t), free(t)
			start(t, dir, fmt.Sprintf(`
listeners:
  tunnel: { address: %q, protocol: tcp, pool: behind, proxy_protocol: { from: 127.0.0.1 } }
  web: { address: %q, proxy_protocol: { from: 127.0.0.1 } }
pools: { behind: { servers: [%q], proxy_protocol: %s } }
sites: { "*": behind }
admin: "ADMIN"
logs: { access: off }
`, tunnel, web, behind, version))
			p, err := peers.Nginx(t.TempDir(), fmt.Sprintf(`
daemon off; pid nginx.pid; error_log stderr crit;
events { worker_connections 256; }
http { access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server { listen %s proxy_protocol; location / { return 200 "$proxy_protocol_addr to $proxy_protocol_server_port"; } } }
`, behind), behind)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { p.Stop() })
			send := map[string]string{"v1": "send-proxy", "v2": "send-proxy-v2 proxy-v2-options crc32c,unique-id"}[version]
			h, err := peers.HAProxy(t.TempDir(), fmt.Sprintf(`
defaults
  mode tcp
  timeout connect 2s
  timeout client 5s
  timeout server 5s
  unique-id-format %%[uuid()]
listen tunnel
  bind %s
  server weir %s %s
listen web
  bind %s
  server weir %s %s
`, haproxy, tunnel, send, outer, web, send), haproxy, outer)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { h.Stop() })
			for _, front := range []string{haproxy, outer} {
				_, port, _ := net.SplitHostPort(front)
				for i := range 20 {
					from := fmt.Sprintf("127.0.0.%d", 10+i)
					client := &http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).DialContext, DisableKeepAlives: true}}
					response, err := client.Get("http://" + front + "/")
					if err != nil {
						t.Fatal(err)
					}
					body, _ := io.ReadAll(response.Body)
					response.Body.Close()
					if string(body) != from+" to "+port {
						t.Fatalf("the server thinks that %s asks at %s: %q", from, port, body)
					}
				}
			}
			// Who is to send a header and does not is refused; who is not is not read.
			for _, address := range []string{tunnel, web} {
				c, err := net.Dial("tcp", address)
				if err != nil {
					t.Fatal(err)
				}
				io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
				if b, err := io.ReadAll(c); len(b) > 0 || !isReset(err) {
					t.Errorf("without a header: %q, %v", b, err)
				}
				stranger, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}).Dial("tcp", web)
				if err != nil {
					t.Fatal(err)
				}
				io.WriteString(stranger, "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
				if b, _ := io.ReadAll(stranger); !strings.HasPrefix(string(b), "HTTP/1.1 400") {
					t.Errorf("a stranger's header: %q", b)
				}
			}
		})
	}
}
