package http2

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/weir-proxy/weir/test/peers"
	"golang.org/x/net/http2"
)

// bothServer speaks HTTP/2 and HTTP/1.1 over TLS, as the client likes: it resets each stream with HTTP_1_1_REQUIRED, and answers in HTTP/1.1 with the name it was asked for.
type bothServer struct {
	address, ca      string
	streams, answers atomic.Int32
}

func newBothServer(t *testing.T, onStream func(c *rawConn, id uint32), names ...string) *bothServer {
	t.Helper()
	dir := t.TempDir()
	files, err := peers.NewCertificate(dir, names...)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	s := &bothServer{ca: files.Cert}
	raw := &rawServer{serve: func(c *rawConn, id uint32) {
		s.streams.Add(1)
		onStream(c, id)
	}}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	s.address = l.Addr().String()
	conns := &connListener{Listener: l, conns: make(chan net.Conn), closed: make(chan struct{})}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				if tc := c.(*tls.Conn); tc.Handshake() == nil && tc.ConnectionState().NegotiatedProtocol == "h2" {
					raw.run(c)
					return
				}
				select {
				case conns.conns <- c:
				case <-conns.closed:
					c.Close()
				}
			}()
		}
	}()
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.answers.Add(1)
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s sni=%s host=%s %s", r.Proto, r.TLS.ServerName, r.Host, body)
	})}
	go server.Serve(conns)
	t.Cleanup(func() {
		close(conns.closed)
		server.Close()
	})
	return s
}

// connListener gives connections that were accepted elsewhere.
type connListener struct {
	net.Listener
	conns  chan net.Conn
	closed chan struct{}
}

func (l *connListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func reset(code http2.ErrCode) func(c *rawConn, id uint32) {
	return func(c *rawConn, id uint32) { c.locked(func() error { return c.WriteRSTStream(id, code) }) }
}

func (w *world) ask(t *testing.T, method, host, authorization string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, "http://"+w.clear+"/", bytes.NewReader([]byte("order")))
	if err != nil {
		t.Fatal(err)
	}
	r.Host, r.Close = host, true
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(body)
}

// RFC 9113 section 7: HTTP_1_1_REQUIRED. The request is sent again by HTTP/1.1, whatever its method, and those that follow do not try HTTP/2 first.
func TestServerThatRequiresHTTP11GetsIt(t *testing.T) {
	s := newBothServer(t, reset(http2.ErrCodeHTTP11Required), "app.test")
	w := newWorld(t, fmt.Sprintf("pools:\n  app: { servers: [%q], tls: { ca: %s } }\nsites:\n  \"*\": app\n", s.address, s.ca))
	for range 20 {
		if status, body := w.ask(t, "POST", "app.test", ""); status != 200 || body != "HTTP/1.1 sni=app.test host=app.test order" {
			t.Fatalf("%d %q", status, body)
		}
	}
	if n := s.streams.Load(); n > 4 { // each loop learns it by itself
		t.Errorf("%d of 20 requests were tried by HTTP/2", n)
	}
}

// A server that speaks nothing but HTTP/2 and resets one request with HTTP_1_1_REQUIRED has no other request sent by HTTP/1.1: those go on.
func TestOneResetDoesNotTakeHTTP2FromAllRequests(t *testing.T) {
	files, err := peers.NewCertificate(t.TempDir(), "app.test")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	for name, protocol := range map[string]string{"h2c": "h2c", "http2": "http2", "auto": "auto"} {
		t.Run(name, func(t *testing.T) {
			var l net.Listener
			var err error
			security := fmt.Sprintf("tls: { ca: %s, server_name: app.test }, ", files.Cert)
			if protocol == "h2c" {
				security = ""
				l, err = net.Listen("tcp", "127.0.0.1:0")
			} else {
				l, err = tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2"}})
			}
			if err != nil {
				t.Fatal(err)
			}
			s := &rawServer{head: func(c *rawConn, f *http2.MetaHeadersFrame) {
				if f.PseudoValue("path") == "/odd" {
					reset(http2.ErrCodeHTTP11Required)(c, f.StreamID)
					return
				}
				c.answer(f.StreamID, "well")
			}}
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					go s.run(c)
				}
			}()
			t.Cleanup(func() { l.Close() })
			w := newWorld(t, fmt.Sprintf("pools:\n  app: { servers: [%q], %sprotocol: %s, health: off }\nsites:\n  \"*\": app\n", l.Addr(), security, protocol))
			get := func(path string) int {
				response, err := http.Get("http://" + w.clear + path)
				if err != nil {
					t.Fatal(err)
				}
				defer response.Body.Close()
				io.Copy(io.Discard, response.Body)
				return response.StatusCode
			}
			for range 4 {
				if status := get("/odd"); status != 502 {
					t.Errorf("the request that is reset: %d", status)
				}
				for i := range 20 {
					if status := get("/even"); status != 200 {
						t.Fatalf("request %d after it: %d", i, status)
					}
				}
			}
		})
	}
}

// Who authenticates a connection must have one alone.
func TestConnectionAuthenticationIsNeverSentByHTTP2(t *testing.T) {
	s := newBothServer(t, func(c *rawConn, id uint32) { c.answer(id, "by HTTP/2") }, "app.test")
	w := newWorld(t, fmt.Sprintf("pools:\n  app: { servers: [%q], tls: { ca: %s } }\nsites:\n  \"*\": app\n", s.address, s.ca))
	for _, authorization := range []string{"NTLM TlRMTVNTUAAB", "Negotiate YIIabc", "negotiate YIIabc"} {
		if status, body := w.ask(t, "GET", "app.test", authorization); status != 200 || !strings.HasPrefix(body, "HTTP/1.1 ") {
			t.Errorf("%s: %d %q", authorization, status, body)
		}
		for _, other := range []string{"", "Basic YTpi", "Bearer x"} {
			if status, body := w.ask(t, "GET", "app.test", other); status != 200 || body != "by HTTP/2" {
				t.Errorf("%q: %d %q", other, status, body)
			}
		}
	}
}

// A server that is addressed by IP is asked for, and verified, by the name that the request is for.
func TestServerAddressedByIPIsAskedForTheName(t *testing.T) {
	s := newBothServer(t, reset(http2.ErrCodeHTTP11Required), "app.test", "other.test")
	w := newWorld(t, fmt.Sprintf(`pools:
  app:   { servers: [%q], tls: { ca: %s }, protocol: http1 }
  named: { servers: [%q], tls: { ca: %s, server_name: app.test }, protocol: http1 }
sites:
  "*": app
  named.test: named
  rewritten.test: { pool: app, host: other.test }
  own.test: { pool: app, host: server }
`, s.address, s.ca, s.address, s.ca))
	for range 3 {
		for host, want := range map[string]string{
			"app.test":       "sni=app.test host=app.test ",
			"other.test:80":  "sni=other.test host=other.test:80 ",
			"named.test":     "sni=app.test host=named.test ",
			"rewritten.test": "sni=other.test host=other.test ",
			"own.test":       "sni= host=" + s.address + " ",
			"127.0.0.1":      "sni= host=127.0.0.1 ",
			"unknown.test":   "sni=unknown.test host=unknown.test ", // the certificate is for the address, too
		} {
			if status, body := w.ask(t, "GET", host, ""); status != 200 || body != "HTTP/1.1 "+want+"order" {
				t.Errorf("%s: %d %q, want %q", host, status, body, want)
			}
		}
	}
}
