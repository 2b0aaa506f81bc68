package health

import (
	"bufio"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/weir-proxy/weir/wire/proxyproto"
)

// A server that wants the PROXY header gets one from a check too, which says that the connection is weir's own: before TLS, and in both versions.
func TestChecksSendThePROXYHeaderOfTraffic(t *testing.T) {
	for version := 1; version <= 2; version++ {
		for _, secure := range []bool{false, true} {
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {}))
			seen := make(chan proxyproto.Header, 1)
			s.Listener = &proxyListener{s.Listener, seen}
			kind := "http"
			if secure {
				kind = "https"
				s.StartTLS()
			} else {
				s.Start()
			}
			err := check(t, s.Listener.Addr().String(), Config{Type: kind, Proxy: version, TLS: &tls.Config{InsecureSkipVerify: true}})
			wants(t, kind, err, "")
			select {
			case h := <-seen:
				if h.Version != version || h.Source.IsValid() {
					t.Errorf("%s: %+v, want version %d without a client", kind, h, version)
				}
			default:
				t.Errorf("%s: no header of version %d", kind, version)
			}
			s.Close()
		}
	}
}

// proxyListener takes connections that begin with a PROXY header, and closes others.
type proxyListener struct {
	net.Listener
	seen chan proxyproto.Header
}

func (l *proxyListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		r := bufio.NewReader(c)
		first, _ := r.Peek(16)
		if len(first) == 16 && first[0] == '\r' {
			first, _ = r.Peek(16 + int(first[14])<<8 + int(first[15]))
		} else if line, err := r.Peek(len("PROXY UNKNOWN\r\n")); err == nil {
			first = line
		}
		if h, n, err := proxyproto.Parse(first); err == nil && n > 0 {
			r.Discard(n)
			l.seen <- h
			return &readFirst{c, r}, nil
		}
		c.Close()
	}
}

// readFirst reads what a bufio.Reader has read ahead.
type readFirst struct {
	net.Conn
	r *bufio.Reader
}

func (c *readFirst) Read(p []byte) (int, error) { return c.r.Read(p) }

// Checks come from the pool's own addresses, in turn, and only from those of the server's family.
func TestChecksComeFromTheSourcesOfThePool(t *testing.T) {
	var from []string
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { from = append(from, r.RemoteAddr) }))
	defer s.Close()
	sources := []netip.Addr{netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("::1"), netip.MustParseAddr("127.0.0.3")}
	for turn := range uint(4) {
		p := probe{Config: Config{Sources: sources}.withDefaults(), server: web(nil, s.Listener.Addr().String()).Set().Servers[0], dial: dial, turn: turn}
		if err := p.run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []string{"127.0.0.2:", "127.0.0.3:", "127.0.0.2:", "127.0.0.3:"} {
		if !strings.HasPrefix(from[i], want) {
			t.Errorf("check %d came from %s, want %s", i, from[i], want)
		}
	}
	err := check(t, s.Listener.Addr().String(), Config{Sources: []netip.Addr{netip.MustParseAddr("192.0.2.77")}})
	wants(t, "a source that this machine does not have", err, "cannot assign requested address")
}

// A server that is spoken to by HTTP/2 is checked by HTTP/2, in clear text or by agreement in the handshake.
func TestChecksSpeakTheVersionOfTraffic(t *testing.T) {
	version := ""
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		version = r.Proto
		if r.URL.Path == "/fails" {
			w.WriteHeader(503)
		}
		w.Write([]byte("all is well"))
	})
	clear := httptest.NewUnstartedServer(handler)
	clear.Config.Protocols = new(http.Protocols)
	clear.Config.Protocols.SetUnencryptedHTTP2(true)
	clear.Start()
	defer clear.Close()
	secure := httptest.NewUnstartedServer(handler)
	secure.EnableHTTP2 = true
	secure.StartTLS()
	defer secure.Close()
	insecure := func(protocols ...string) *tls.Config {
		return &tls.Config{InsecureSkipVerify: true, NextProtos: protocols}
	}
	for _, c := range []struct {
		name, address string
		config        Config
		version, want string
	}{
		{"h2c", clear.Listener.Addr().String(), Config{HTTP2: true}, "HTTP/2.0", ""},
		{"h2c, a body", clear.Listener.Addr().String(), Config{HTTP2: true, Body: "well"}, "HTTP/2.0", ""},
		{"h2c, another body", clear.Listener.Addr().String(), Config{HTTP2: true, Body: "ill"}, "HTTP/2.0", "no \"ill\" in the body"},
		{"h2c, a status", clear.Listener.Addr().String(), Config{HTTP2: true, Path: "/fails"}, "HTTP/2.0", "status 503"},
		{"h2", secure.Listener.Addr().String(), Config{Type: "https", TLS: insecure("h2", "http/1.1")}, "HTTP/2.0", ""},
		{"http/1.1", secure.Listener.Addr().String(), Config{Type: "https", TLS: insecure("http/1.1")}, "HTTP/1.1", ""},
	} {
		version = ""
		wants(t, c.name, check(t, c.address, c.config), c.want)
		if version != c.version {
			t.Errorf("%s: asked by %q, want %q", c.name, version, c.version)
		}
	}
}
