package layer4

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/weir-proxy/weir/test/peers"
	"github.com/weir-proxy/weir/wire/proxyproto"
)

const receiving = `
defaults
    mode http
    timeout connect 3s
    timeout client 5s
    timeout server 5s
frontend told
    bind %s accept-proxy
    http-request return status 200 content-type text/plain lf-string "%%[src] %%[fc_pp_authority] %%[fc_pp_unique_id]"
`

// The servers of a pool of requests are told who their client is, and what is known of its TLS and by another proxy, as those of tunnels are: HAProxy says what
// it has understood, and a server of the test's own sees the rest.
func TestServersOfRequestsAreToldOfTheirClients(t *testing.T) {
	dir := t.TempDir()
	certificate, err := peers.NewCertificate(dir, "a.example")
	if err != nil {
		t.Fatal(err)
	}
	haproxy, secure, clear := free(t), free(t), free(t)
	p, err := peers.HAProxy(t.TempDir(), fmt.Sprintf(receiving, haproxy), haproxy)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	headers := make(chan proxyproto.Header, 8)
	own := peers.Serve(t, func(c *net.TCPConn) {
		defer c.Close()
		b := make([]byte, 4096)
		n, _ := c.Read(b)
		h, size, err := proxyproto.Parse(b[:n])
		if err != nil || size == 0 {
			t.Errorf("no header: %v", err)
		}
		headers <- h
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
	})
	start(t, dir, fmt.Sprintf(`
listeners:
  secure: { address: %q, proxy_protocol: { from: 127.0.0.5 }, tls: { certificates: [{ cert: %q, key: %q }] } }
  clear: { address: %q, proxy_protocol: { from: 127.0.0.5 } }
pools:
  haproxy: { servers: [%q], proxy_protocol: v2 }
  own: { servers: [%q], proxy_protocol: v2 }
sites: { "*": { /own: own, /*: haproxy } }
admin: "ADMIN"
logs: { access: off }
`, secure, certificate.Cert, certificate.Key, clear, haproxy, own), secure, clear)
	client := netip.MustParseAddrPort("192.0.2.7:4000")
	for name, c := range map[string]struct {
		front    string
		told     bool // another proxy is in front
		protocol string
		want     string
		alpn     string
		ssl      bool
	}{
		"by TLS":                      {secure, false, "", "127.0.0.1 a.example ", "", true},
		"by TLS, HTTP/1.1 agreed on":  {secure, false, "http/1.1", "127.0.0.1 a.example ", "http/1.1", true},
		"by HTTP/2":                   {secure, false, "h2", "127.0.0.1 a.example ", "h2", true},
		"by another proxy":            {clear, true, "", "192.0.2.7  an-id", "", false},
		"by another proxy, and TLS":   {secure, true, "", "192.0.2.7 a.example an-id", "", true},
		"by another proxy and HTTP/2": {secure, true, "h2", "192.0.2.7 a.example an-id", "h2", true},
	} {
		t.Run(name, func(t *testing.T) {
			dial := func() net.Conn {
				conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, map[bool]byte{true: 5, false: 1}[c.told])}}).Dial("tcp", c.front)
				if err != nil {
					t.Fatal(err)
				}
				conn.SetDeadline(time.Now().Add(10 * time.Second))
				if c.told {
					h := proxyproto.Header{Source: client, Destination: netip.MustParseAddrPort("192.0.2.1:443"), TLVs: proxyproto.AppendTLV(nil, proxyproto.TypeUniqueID, []byte("an-id"))}
					conn.Write(proxyproto.AppendV2(nil, &h))
				}
				if !c.ssl {
					return conn
				}
				config := &tls.Config{InsecureSkipVerify: true, ServerName: "a.example"}
				if c.protocol != "" {
					config.NextProtos = []string{c.protocol}
				}
				s := tls.Client(conn, config)
				if err := s.Handshake(); err != nil {
					t.Fatal(err)
				}
				return s
			}
			if got := asks(t, dial(), c.protocol, "/"); got != c.want {
				t.Errorf("HAProxy is told %q, want %q", got, c.want)
			}
			if got := asks(t, dial(), c.protocol, "/own"); got != "ok" {
				t.Fatalf("%q", got)
			}
			h := <-headers
			for h.IsLocal || !h.Source.IsValid() {
				h = <-headers
			}
			ssl, hasSSL := proxyproto.ParseSSL(h.TLVs.Of(proxyproto.TypeSSL))
			if hasSSL != c.ssl || c.ssl && (ssl.Version != "TLSv1.3" || ssl.HasCert || !strings.HasPrefix(ssl.Cipher, "TLS_")) {
				t.Errorf("TLS: %v %+v", hasSSL, ssl)
			}
			if got := string(h.TLVs.Of(proxyproto.TypeALPN)); got != c.alpn {
				t.Errorf("ALPN %q, want %q", got, c.alpn)
			}
		})
	}
}

// asks sends a request on a connection of its own, and returns what the answer says.
func asks(t *testing.T, c net.Conn, protocol, path string) string {
	t.Helper()
	defer c.Close()
	request, err := http.NewRequest("GET", "http://a.example"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	var response *http.Response
	if protocol == "h2" {
		conn, err := (&http2.Transport{}).NewClientConn(c)
		if err != nil {
			t.Fatal(err)
		}
		response, err = conn.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
	} else {
		request.Write(c)
		if response, err = http.ReadResponse(bufio.NewReader(c), request); err != nil {
			t.Fatal(err)
		}
	}
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
