package hostile

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"
	"golang.org/x/net/http2"

	wire2 "github.com/weir-proxy/weir/wire/http2"
	wire3 "github.com/weir-proxy/weir/wire/http3"
)

var long = flag.Bool("long", false, "run every attack, and measure what good clients notice")

// attack is what many connections do at once. Its name begins with the word of what is attacked, of fronts.
type attack struct {
	conns int
	open  func(s *scene) error // one connection; it stays as it is until the scene ends
	short bool                 // it is run each time
	// bears is what good clients' p99 may be where weir does not keep to the bound of all others; the reason is beside it.
	bears time.Duration
}

// scene is a proxy under attack, as attackers see it.
type scene struct {
	at       map[string]string // addresses, by the listeners' names
	from     string            // the attackers' address; "": any
	sent     atomic.Int64      // bytes that attackers have sent
	units    atomic.Int64      // datagrams of theirs, where they count them
	until    time.Time         // when attackers that go on and on stop
	closers  sync.Mutex
	closing  []func()
	refusals atomic.Int64
}

// goesOn reports whether the attack is not over.
func (s *scene) goesOn() bool { return time.Now().Before(s.until) }

// counting counts what an attacker sends.
type counting struct {
	net.Conn
	s *scene
}

func (c counting) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.s.sent.Add(int64(n))
	return n, err
}

func (s *scene) later(f func()) {
	s.closers.Lock()
	defer s.closers.Unlock()
	s.closing = append(s.closing, f)
}

// dial opens a connection whose system takes little of what it does not read.
func (s *scene) dial(address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: 5 * time.Second}
	if s.from != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(s.from)}
	}
	conn, err := dialer.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
	s.later(func() { conn.Close() })
	return counting{conn, s}, nil
}

func (s *scene) dialTLS(protocol string) (net.Conn, error) {
	conn, err := s.dial(s.at["secure"])
	if err != nil {
		return nil, err
	}
	c := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, ServerName: "localhost", NextProtos: []string{protocol}})
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return c, c.Handshake()
}

// http2 opens a connection of HTTP/2 with settings of the attacker's.
func (s *scene) http2(window uint32) (*http2Asker, error) {
	conn, err := s.dial(s.at["h2c"])
	if err != nil {
		return nil, err
	}
	a := &http2Asker{Framer: http2.NewFramer(conn, conn), conn: conn, next: 1}
	a.AllowIllegalWrites = true
	io.WriteString(conn, http2.ClientPreface)
	a.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window})
	a.WriteWindowUpdate(0, 1<<30)
	return a, nil
}

// request opens a stream.
func (a *http2Asker) request(path string, end bool, fields ...string) (id uint32, err error) {
	id = a.next
	a.next += 2
	method := "GET"
	if !end {
		method = "POST"
	}
	head := (&letter{fields: append([]string{"Host: localhost"}, fields...)}).head(method + " " + path + " HTTP/1.1")
	return id, a.heading(id, wire2.AppendRequest(nil, []byte(head), wire2.Target{}), end)
}

func (s *scene) http3(window uint64) (*quicgo.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c, err := quicgo.DialAddr(ctx, s.at["quic"], &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h3"}, ServerName: "localhost"},
		&quicgo.Config{InitialStreamReceiveWindow: window, MaxStreamReceiveWindow: window, InitialConnectionReceiveWindow: 128 * window, MaxConnectionReceiveWindow: 128 * window})
	if err != nil {
		return nil, err
	}
	s.later(func() { c.CloseWithError(0x100, "") })
	control, err := c.OpenUniStream()
	if err != nil {
		return nil, err
	}
	control.Write(wire3.AppendControl(nil, 1<<20, false))
	return c, nil
}

func (s *scene) request3(c *quicgo.Conn, path string, end bool, fields ...string) (*quicgo.Stream, error) {
	stream, err := c.OpenStream()
	if err != nil {
		return nil, err
	}
	method := "GET"
	if !end {
		method = "POST"
	}
	head := (&letter{fields: append([]string{"Host: localhost"}, fields...)}).head(method + " " + path + " HTTP/1.1")
	b := section(wire3.AppendRequest(nil, []byte(head), wire2.Target{Secure: true}))
	s.sent.Add(int64(len(b)))
	if _, err := stream.Write(b); err != nil || !end {
		return stream, err
	}
	return stream, stream.Close()
}

const streams = 100 // of each connection of HTTP/2 and HTTP/3

// large is a field of 63 kB, or near it, in lines that no table holds.
var large = func() (list []string) {
	for i := range 15 {
		list = append(list, fmt.Sprintf("x-%d: %s", i, strings.Repeat("v", 4000)))
	}
	return list
}()

var attacks = map[string]attack{
	"http1, responses that are not read": {conns: 400, open: func(s *scene) error {
		c, err := s.dial(s.at["clear"])
		if err == nil {
			_, err = io.WriteString(c, "GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n")
		}
		return err
	}},
	"http1, buffered responses that are not read": {conns: 400, short: true, open: func(s *scene) error {
		c, err := s.dial(s.at["clear"])
		if err == nil {
			_, err = io.WriteString(c, "GET /buffered/big HTTP/1.1\r\nHost: localhost\r\n\r\n")
		}
		return err
	}},
	"http1, buffered uploads that stop": {conns: 400, open: func(s *scene) error {
		c, err := s.dial(s.at["clear"])
		if err == nil {
			_, err = io.WriteString(c, "POST /buffered/hang HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"+strings.Repeat("x", 900_000))
		}
		return err
	}},
	"http1, heads without end": {conns: 400, short: true, open: func(s *scene) error {
		c, err := s.dial(s.at["clear"])
		if err == nil {
			_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n"+lines(large))
		}
		return err
	}},
	"http1, uploads that the server does not read": {conns: 400, open: func(s *scene) error {
		c, err := s.dial(s.at["clear"])
		if err == nil {
			_, err = io.WriteString(c, "POST /hang HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000000\r\n\r\n"+strings.Repeat("x", 100_000))
		}
		return err
	}},
	"tls, responses that are not read": {conns: 400, short: true, open: func(s *scene) error {
		c, err := s.dialTLS("http/1.1")
		if err == nil {
			_, err = io.WriteString(c, "GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n")
		}
		return err
	}},
	"tls, handshakes that stop": {conns: 1000, open: func(s *scene) error {
		c, err := s.dial(s.at["secure"])
		if err == nil {
			_, err = c.Write([]byte{22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3})
		}
		return err
	}},
	"http2, responses that are not read": {conns: 20, short: true, open: func(s *scene) error {
		a, err := s.http2(1 << 30)
		for i := 0; i < streams && err == nil; i++ {
			_, err = a.request("/big", true)
		}
		return err
	}},
	"http2, buffered responses that are not read": {conns: 20, open: func(s *scene) error {
		a, err := s.http2(0)
		for i := 0; i < streams && err == nil; i++ {
			_, err = a.request("/buffered/big", true)
		}
		return err
	}},
	"http2, responses without a window": {conns: 20, short: true, open: func(s *scene) error {
		a, err := s.http2(0)
		for i := 0; i < streams && err == nil; i++ {
			_, err = a.request("/big", true)
		}
		return err
	}},
	"http2, large heads to a server that is silent": {conns: 20, short: true, open: func(s *scene) error {
		a, err := s.http2(0)
		for i := 0; i < streams && err == nil; i++ {
			_, err = a.request("/hang", true, large...)
		}
		return err
	}},
	"http2, heads that expand": {conns: 200, open: func(s *scene) error {
		a, err := s.http2(0)
		if err != nil {
			return err
		}
		enter := append([]byte{0x82, 0x86, 0x84, 0x01, 1, 'a', 0x40, 1, 'x', 0x7f}, 0xa1, 0x1e)
		err = a.heading(1, append(enter, strings.Repeat("v", 4000)...), true)
		again := append([]byte{0x82, 0x86, 0x04, 5, '/', 'h', 'a', 'n', 'g', 0x01, 1, 'a'}, strings.Repeat("\xbe", 14)...)
		for i := 0; i < streams && err == nil; i++ {
			err = a.heading(uint32(3+2*i), again, true)
		}
		return err
	}},
	"http2, uploads that the server does not read": {conns: 20, open: func(s *scene) error {
		a, err := s.http2(0)
		for i := 0; i < streams && err == nil; i++ {
			var id uint32
			if id, err = a.request("/hang", false); err == nil {
				err = a.WriteData(id, false, make([]byte, 10_000))
			}
		}
		return err
	}},
	"http1, clients that ask and leave": {conns: 4000, open: func(s *scene) error {
		c, err := s.dial(s.at["clear"])
		if err == nil {
			io.WriteString(c, "GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n")
			err = c.Close()
		}
		return err
	}},
	"http2, clients that ask much and leave": {conns: 3000, short: true, open: func(s *scene) error {
		a, err := s.http2(1 << 20)
		for i := 0; i < streams && err == nil; i++ {
			_, err = a.request("/hang", true)
		}
		if err == nil {
			err = a.conn.Close()
		}
		return err
	}},
	"http2, requests that are reset": {conns: 200, open: func(s *scene) error {
		a, err := s.http2(1 << 20)
		for i := 0; i < 500 && err == nil; i++ {
			var id uint32
			if id, err = a.request("/hang", true); err == nil {
				err = a.WriteRSTStream(id, http2.ErrCodeCancel)
			}
		}
		return err
	}},
	"http3, clients that ask much and leave": {conns: 100, open: func(s *scene) error {
		c, err := s.http3(1 << 20)
		for i := 0; i < streams && err == nil; i++ {
			_, err = s.request3(c, "/hang", true)
		}
		if err == nil {
			err = c.CloseWithError(0x100, "")
		}
		return err
	}},
	"http3, requests that are reset": {conns: 20, open: func(s *scene) error {
		c, err := s.http3(1 << 20)
		for i := 0; i < 500 && err == nil; i++ {
			var stream *quicgo.Stream
			if stream, err = s.request3(c, "/hang", true); err == nil {
				stream.CancelRead(0x10c)
			}
		}
		return err
	}},
	"http2, pings whose answers are not read": {conns: 200, open: func(s *scene) error {
		a, err := s.http2(0)
		for i := 0; i < 5000 && err == nil; i++ {
			err = a.WritePing(false, [8]byte{})
		}
		return err
	}},
	"http3, responses that are not read": {conns: 20, open: func(s *scene) error {
		c, err := s.http3(1 << 16)
		for i := 0; i < streams && err == nil; i++ {
			_, err = s.request3(c, "/big", true)
		}
		return err
	}},
	"http3, large heads to a server that is silent": {conns: 20, open: func(s *scene) error {
		c, err := s.http3(1 << 16)
		for i := 0; i < streams && err == nil; i++ {
			_, err = s.request3(c, "/hang", true, large...)
		}
		return err
	}},
	"http3, uploads that the server does not read": {conns: 20, short: true, open: func(s *scene) error {
		c, err := s.http3(1 << 16)
		for i := 0; i < streams && err == nil; i++ {
			var stream *quicgo.Stream
			if stream, err = s.request3(c, "/hang", false); err == nil {
				go func() {
					b := append(wire3.AppendHeader(nil, wire3.FrameData, 1<<20), make([]byte, 1<<20)...)
					stream.SetWriteDeadline(time.Now().Add(3 * time.Second))
					n, _ := stream.Write(b)
					s.sent.Add(int64(n))
				}()
			}
		}
		return err
	}},
	"tcp, tunnels that are not read": {conns: 400, open: func(s *scene) error {
		c, err := s.dial(s.at["tunnel"])
		if err == nil {
			_, err = io.WriteString(c, "GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n")
		}
		return err
	}},
}

// origin answers little, much, or nothing.
func origin(t *testing.T) string {
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch strings.TrimPrefix(r.URL.Path, "/buffered") {
		case "/big":
			w.Header().Set("Content-Length", "20000000")
			piece := make([]byte, 64<<10)
			for left := 20_000_000; left > 0; left -= len(piece) {
				if _, err := w.Write(piece[:min(left, len(piece))]); err != nil {
					return
				}
			}
		case "/slow":
			time.Sleep(time.Second)
			io.WriteString(w, "ok")
		case "/hang":
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		default:
			io.WriteString(w, "ok")
		}
	}))
	t.Cleanup(func() { close(hang); server.CloseClientConnections(); server.Close() })
	return strings.TrimPrefix(server.URL, "http://")
}

const hostileConfig = `
listeners:
  clear: { address: CLEAR }
  secure: { address: SECURE, tls: { certificates: [{ cert: DIR/cert.pem, key: DIR/key.pem }] } }
  tunnel: { address: THIRD, protocol: tcp, pool: app }
admin: { address: ADMIN, socket: off }
data: DIR/data
logs: { access: { file: DIR/access.log } }
pools: { app: { servers: ["ORIGIN"] } }
sites: { "*": app }
`
