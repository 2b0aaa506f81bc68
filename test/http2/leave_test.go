package http2

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/weir-proxy/weir/control/admin/api"
)

// deaf is an address whose system takes no further connection: attempts to connect to it wait.
func deaf(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	sa, _ := syscall.Getsockname(fd)
	address := fmt.Sprintf("127.0.0.1:%d", sa.(*syscall.SockaddrInet4).Port)
	for range 8 { // its queue is full with these
		d := net.Dialer{Timeout: 50 * time.Millisecond}
		if c, err := d.Dial("tcp", address); err == nil {
			t.Cleanup(func() { c.Close() })
		}
	}
	return address
}

// mute is an address of UDP where nobody answers.
func mute(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.LocalAddr().String()
}

// request is what a leaver asks for: a path of the world of TestALeavingClientFreesEverything.
func (w *world) request(method, path, body string) string {
	text := method + " " + path + " HTTP/1.1\r\nHost: localhost\r\n"
	if body != "" {
		text += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	return text + "\r\n"
}

// A leaver sends a request and returns what it does to leave.
type leaver struct {
	name   string
	system bool // only the system can tell that it has left, once its answer has begun
	ask    func(w *world, path string) (leave func())
}

func leavers() []leaver {
	plain := func(body string, leave func(c *net.TCPConn)) func(*world, string) func() {
		return func(w *world, path string) func() {
			c, err := net.Dial("tcp", w.clear)
			if err != nil {
				w.t.Fatal(err)
			}
			w.t.Cleanup(func() { c.Close() })
			method := "GET"
			if body != "" {
				method = "POST"
			}
			io.WriteString(c, w.request(method, path, body))
			if body != "" {
				time.Sleep(100 * time.Millisecond)
				io.WriteString(c, body)
			}
			return func() { leave(c.(*net.TCPConn)) }
		}
	}
	secure := func(protocol string, leave func(c *tls.Conn)) func(*world, string) func() {
		return func(w *world, path string) func() {
			c, err := tls.Dial("tcp", w.secure, &tls.Config{RootCAs: w.roots, ServerName: "localhost", NextProtos: []string{protocol}})
			if err != nil {
				w.t.Fatal(err)
			}
			w.t.Cleanup(func() { c.Close() })
			io.WriteString(c, w.request("GET", path, ""))
			return func() { leave(c) }
		}
	}
	cancels := func(client func(w *world) http.RoundTripper) func(*world, string) func() {
		return func(w *world, path string) func() {
			ctx, cancel := context.WithCancel(context.Background())
			r, _ := http.NewRequestWithContext(ctx, "GET", "https://"+w.secure+path, nil)
			go func() {
				if response, err := client(w).RoundTrip(r); err == nil {
					io.Copy(io.Discard, response.Body)
				}
			}()
			return cancel
		}
	}
	closes := func(c *net.TCPConn) { c.Close() }
	return []leaver{
		{"HTTP/1.1 FIN", true, plain("", closes)},
		{"HTTP/1.1 FIN after a body", true, plain("content", closes)},
		{"HTTP/1.1 RST", false, plain("", func(c *net.TCPConn) { c.SetLinger(0); c.Close() })},
		{"TLS close", false, secure("http/1.1", func(c *tls.Conn) { c.Close() })},
		{"TLS FIN", false, secure("http/1.1", func(c *tls.Conn) { c.NetConn().Close() })},
		{"HTTP/2 reset", false, cancels(func(w *world) http.RoundTripper { return w.http().Transport })},
		{"HTTP/2 close", false, func(w *world, path string) func() {
			c := w.dial(w.secure)
			if _, err := c.open(true, ":method: GET", ":scheme: https", ":authority: localhost", ":path: "+path); err != nil {
				w.t.Fatal(err)
			}
			return func() { c.conn.Close() }
		}},
		{"HTTP/3 reset", false, cancels(func(w *world) http.RoundTripper { return w.quic() })},
	}
}

// A client that leaves while a server is silent is noticed at once, in every stage. What it held is free again, nothing is tried again for it, and no server is blamed.
func TestALeavingClientFreesEverything(t *testing.T) {
	var asked, busy atomic.Int64
	begun := make(chan struct{}, 100)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		busy.Add(1)
		defer busy.Add(-1)
		io.Copy(io.Discard, r.Body)
		if strings.HasPrefix(r.URL.Path, "/deliver") {
			w.Write([]byte("beginning"))
			w.(http.Flusher).Flush()
		}
		begun <- struct{}{}
		<-r.Context().Done()
	})
	at, other := serve(t, handler), serve(t, handler)
	for _, protocol := range []string{"http1", "h2c"} {
		w := newWorld(t, fmt.Sprintf(`
pools:
  silent: { servers: [%[1]q, %[4]q], protocol: %[3]s, timeouts: { response: off } }
  full: { servers: [{ address: %[1]q, max_requests: 1 }], protocol: %[3]s, timeouts: { response: off }, queue: { length: 10, wait: 1m } }
  deaf: { servers: [%[2]q], protocol: %[3]s, timeouts: { connect: 1m } }
  deaf3: { servers: [%[5]q], protocol: http3, tls: { verify: off }, timeouts: { connect: 1m } }
sites:
  "*": { /receive: silent, /deliver: silent, /queue: full, /connect: deaf, /connect3: deaf3 }
`, at, deaf(t), protocol, other, mute(t)))
		c, err := net.Dial("tcp", w.clear)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, w.request("GET", "/queue", ""))
		begins(t, begun)
		for _, stage := range []string{"/receive", "/deliver", "/queue", "/connect", "/connect3"} {
			for _, l := range leavers() {
				if l.system && stage == "/deliver" {
					continue
				}
				t.Run(protocol+stage+"/"+l.name, func(t *testing.T) {
					w.t = t
					before := asked.Load()
					leave := l.ask(w, stage)
					switch stage {
					case "/receive", "/deliver":
						begins(t, begun)
						before++
					}
					w.until("its request is in progress", func(s *api.Status) bool { return s.Exchanges.Active == 2 })
					time.Sleep(50 * time.Millisecond) // until what it waits for is waited for
					leave()
					began := time.Now()
					w.until("everything is free", func(s *api.Status) bool {
						inFlight, waiting := int32(0), 0
						for _, p := range s.Pools {
							waiting += p.Queue.Waiting
							for _, server := range p.Servers {
								inFlight += server.InFlight
							}
						}
						return s.Exchanges.Active == 1 && inFlight == 1 && waiting == 0 && busy.Load() == 1
					})
					if took := time.Since(began); took > 3*time.Second {
						t.Errorf("after %v", took)
					}
					if asked.Load() != before {
						t.Errorf("servers were asked %d times more", asked.Load()-before)
					}
				})
			}
		}
		w.t = t
		var s api.Status
		w.status(&s)
		for _, p := range s.Pools {
			for _, server := range p.Servers {
				for outcome, n := range server.Outcomes {
					if outcome != "cancelled" && n > 0 {
						t.Errorf("%s: %s: %d %s", p.Name, server.Name, n, outcome)
					}
				}
				if server.Ejections > 0 || server.Retries > 0 {
					t.Errorf("%s: %s: %d ejections, %d retries", p.Name, server.Name, server.Ejections, server.Retries)
				}
			}
		}
		for reason, n := range s.Exchanges.Reasons {
			if !strings.HasPrefix(reason, "client.") {
				t.Errorf("%d exchanges ended by %s", n, reason)
			}
		}
		c.Close()
		w.until("the last one is free", func(s *api.Status) bool { return s.Exchanges.Active == 0 })
	}
}

// begins waits until a server has a request.
func begins(t *testing.T, begun <-chan struct{}) {
	t.Helper()
	select {
	case <-begun:
	case <-time.After(5 * time.Second):
		t.Fatal("no server was asked within 5 s")
	}
}

// until waits for weir's status to be as it should.
func (w *world) until(what string, is func(*api.Status) bool) {
	w.t.Helper()
	for by := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		var s api.Status
		if w.status(&s); is(&s) {
			return
		}
		if time.Now().After(by) {
			w.t.Fatalf("not so after 5 s: %s: %+v", what, s.Exchanges)
		}
	}
}

// A client in clear text that has only finished sending gets its answer. Whether it is still there is asked only when the answer takes long.
func TestAHalfClosedClientGetsItsAnswer(t *testing.T) {
	at := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		wait, _ := time.ParseDuration(r.URL.Query().Get("wait"))
		time.Sleep(wait)
		io.WriteString(w, "the answer")
	}))
	const config = "pools:\n  web: { servers: [%q] }\nsites:\n  \"*\": web\n"
	w := newWorld(t, fmt.Sprintf(config, at))
	ask := func(w *world, request string) string {
		c, err := net.Dial("tcp", w.clear)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(5 * time.Second))
		io.WriteString(c, request)
		c.(*net.TCPConn).CloseWrite()
		text, _ := io.ReadAll(bufio.NewReader(c))
		return string(text)
	}
	for _, c := range []struct {
		request string
		probes  bool
	}{
		{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", false},
		{"GET /?wait=1s HTTP/1.1\r\nHost: a\r\n\r\n", true},
		{"GET /?wait=1s HTTP/1.0\r\nHost: a\r\n\r\n", false},
		{"POST /?wait=1s HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", true},
		{"POST /?wait=1s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", true},
		{"GET /?wait=1s HTTP/1.1\r\nHost: a\r\n\r\nGET /?wait=1s HTTP/1.1\r\nHost: a\r\n\r\n", true},
	} {
		got := ask(w, c.request)
		if probed := strings.HasPrefix(got, "HTTP/1.1 100 Continue\r\n\r\n"); probed != c.probes || !strings.HasSuffix(got, "the answer") {
			t.Errorf("%q: probed %v: %q", c.request, probed, got)
		}
		if want := strings.Count(c.request, "HTTP/1"); strings.Count(got, "the answer") != want {
			t.Errorf("%q: %q, want %d answers", c.request, got, want)
		}
	}
	strict := newWorld(t, fmt.Sprintf("defaults: {}\n"+config, at))
	text := strings.Replace(strings.ReplaceAll(readFile(t, strict.file()), "address: \""+strict.clear+"\"", "address: \""+strict.clear+"\", http: { half_closed: off }"), "defaults: {}\n", "", 1)
	writeFile(t, strict.file(), text)
	strict.reload()
	if got := ask(strict, "GET /?wait=1s HTTP/1.1\r\nHost: a\r\n\r\n"); got != "" {
		t.Errorf("with half_closed: off: %q", got)
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
