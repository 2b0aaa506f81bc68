package http2

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/weir-proxy/weir/test/peers"
)

// half is what servers send of a response before they cut it.
var half = strings.Repeat("half ", 2000)

// cut is how a connection ends in the middle of a message.
type cut struct {
	name string
	does func(c net.Conn)
}

// cuts are the ways in which a connection in clear can end.
var cuts = []cut{
	{"FIN", func(c net.Conn) { c.(*net.TCPConn).CloseWrite() }},
	{"close", func(c net.Conn) {
		time.Sleep(50 * time.Millisecond) // it is a reset where something has come that nobody has read, and a reset takes along what was sent
		c.Close()
	}},
	{"RST", func(c net.Conn) {
		time.Sleep(50 * time.Millisecond)
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}},
	{"GOAWAY and FIN", func(c net.Conn) {
		http2.NewFramer(c, nil).WriteGoAway(1<<31-1, http2.ErrCodeNo, nil)
		c.(*net.TCPConn).CloseWrite()
	}},
}

// beginHTTP2 answers the first request on a connection of HTTP/2 with half a response, whose length it announces if that is more than 0.
func beginHTTP2(conn net.Conn, length int) bool {
	f := http2.NewFramer(conn, conn)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return false
	}
	f.WriteSettings()
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return false
		}
		head, ok := frame.(*http2.MetaHeadersFrame)
		if !ok {
			continue
		}
		var block strings.Builder
		e := hpack.NewEncoder(&block)
		e.WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
		if length > 0 {
			e.WriteField(hpack.HeaderField{Name: "content-length", Value: fmt.Sprint(length)})
		}
		f.WriteHeaders(http2.HeadersFrameParam{StreamID: head.StreamID, BlockFragment: []byte(block.String()), EndHeaders: true})
		return f.WriteData(head.StreamID, false, []byte(half)) == nil
	}
}

// beginHTTP1 is beginHTTP2 for HTTP/1.1, in chunks where there is no length.
func beginHTTP1(conn net.Conn, length int) bool {
	if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
		return false
	}
	framing, content := fmt.Sprintf("Content-Length: %d\r\n\r\n", length), half
	if length == 0 {
		framing, content = "Transfer-Encoding: chunked\r\n\r\n", fmt.Sprintf("%x\r\n%s\r\n", len(half), half)
	}
	_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n"+framing+content)
	return err == nil
}

// accept has each connection served, with TLS where config is not nil, and closed once the test is over.
func accept(t *testing.T, config *tls.Config, serve func(c net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			if config != nil {
				conn = tls.Server(conn, config)
			}
			go serve(conn)
		}
	}()
	return l.Addr().String()
}

// versions are clients of all of them.
func (w *world) versions() map[string]*http.Client {
	one := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: w.roots, ServerName: "localhost"}, DisableKeepAlives: true}
	return map[string]*http.Client{"HTTP/1.1": {Timeout: 20 * time.Second, Transport: one}, "HTTP/2.0": w.http(), "HTTP/3.0": {Timeout: 20 * time.Second, Transport: w.quic()}}
}

// noneIsWhole has clients of all versions ask for a path, none of whom may take what they get for a whole response of the server's. A reset of HTTP/3 may overtake what was sent before it.
func (w *world) noneIsWhole(t *testing.T, name, path string) {
	t.Helper()
	for version, client := range w.versions() {
		began := time.Now()
		response, err := client.Get("https://localhost:" + port(w.secure) + path)
		if err == nil {
			var body []byte
			body, err = io.ReadAll(response.Body)
			response.Body.Close()
			if isOwn := response.StatusCode == 502 && strings.Contains(name, "held"); err == nil && !isOwn {
				t.Errorf("%s, %s: a cut response of %d bytes looks whole", name, version, len(body))
			}
			if string(body) != half && version != "HTTP/3.0" && !strings.Contains(name, "held") {
				t.Errorf("%s, %s: %d bytes came, want %d", name, version, len(body), len(half))
			}
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("%s, %s: the end was seen after %v", name, version, took)
		}
	}
}

// A response that its server cuts, by whichever end of its connection, is whole for no client.
func TestACutResponseIsWholeForNobody(t *testing.T) {
	type server struct {
		name, address, protocol string
	}
	var servers []server
	add := func(name, protocol string, secure *tls.Config, begin func(net.Conn, int) bool, length int, does func(net.Conn)) {
		address := accept(t, secure, func(c net.Conn) {
			if begin(c, length) {
				does(c)
			}
		})
		servers = append(servers, server{fmt.Sprintf("%s by %s, length %d", protocol, name, length), address, protocol})
	}
	cert, err := peers.NewCertificate(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(cert.Cert, cert.Key)
	if err != nil {
		t.Fatal(err)
	}
	secure := func(protocol string) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{protocol}}
	}
	for _, length := range []int{0, 2 * len(half)} {
		for _, c := range cuts {
			add(c.name, "h2c", nil, beginHTTP2, length, c.does)
			if c.name != "GOAWAY and FIN" {
				add(c.name, "http1", nil, beginHTTP1, length, c.does)
			}
		}
		ends := map[string]func(net.Conn){
			"close_notify":    func(c net.Conn) { c.(*tls.Conn).CloseWrite() },
			"no close_notify": func(c net.Conn) { c.(*tls.Conn).NetConn().(*net.TCPConn).CloseWrite() },
		}
		for name, does := range ends {
			add(name, "h2", secure("h2"), beginHTTP2, length, does)
			add(name, "http1", secure("http/1.1"), beginHTTP1, length, does)
		}
	}
	var pools, routes strings.Builder
	for i, s := range servers {
		more := ""
		if strings.Contains(s.name, "close_notify") {
			more = ", tls: { verify: off }"
		}
		protocol := s.protocol
		if protocol == "h2" {
			protocol = "http2"
		}
		fmt.Fprintf(&pools, "  p%d: { servers: [%q], protocol: %s, health: off, eject: off%s }\n", i, s.address, protocol, more)
		fmt.Fprintf(&routes, "    /%d/plain: { pool: p%d }\n    /%d/held: { pool: p%d, buffer: { response: 4KiB } }\n", i, i, i, i)
	}
	w := newWorld(t, "pools:\n"+pools.String()+"sites:\n  \"*\":\n"+routes.String())
	for i, s := range servers {
		w.noneIsWhole(t, s.name, fmt.Sprintf("/%d/plain", i))
		how := "closed"
		switch {
		case strings.Contains(s.name, "RST"):
			how = "reset"
		case strings.Contains(s.name, "by close,"):
			how = "(closed|reset)"
		}
		w.logs(fmt.Sprintf(`"target":"/%d/plain".*"detail":"the server %s the connection".*"reason":"server.deliver.closed"`, i, how))
		w.noneIsWhole(t, s.name+", held back", fmt.Sprintf("/%d/held", i))
	}
}

// A request that its client cuts is whole for no server.
func TestACutRequestIsWholeForNobody(t *testing.T) {
	begun, ended := make(chan struct{}, 100), make(chan error, 100)
	serving := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun <- struct{}{}
		_, err := io.Copy(io.Discard, r.Body)
		ended <- err
	})
	h1 := serve(t, serving)
	w := newWorld(t, fmt.Sprintf("pools:\n  one: { servers: [%q], protocol: http1 }\n  two: { servers: [%q], protocol: h2c }\nsites:\n  \"*\": { /one: one, /two: two }\n", h1, h1))
	type client struct {
		name string
		post func(path string, length int)
	}
	var clients []client
	for _, c := range cuts {
		clients = append(clients, client{"HTTP/2 by " + c.name, func(path string, length int) {
			conn := w.dial(w.clear)
			fields := []string{":method: POST", ":scheme: http", ":authority: localhost", ":path: " + path}
			if length > 0 {
				fields = append(fields, fmt.Sprintf("content-length: %d", length))
			}
			id, _ := conn.open(false, fields...)
			conn.WriteData(id, false, []byte(half))
			begins(t, begun)
			c.does(conn.conn)
		}})
		if c.name == "GOAWAY and FIN" {
			continue
		}
		clients = append(clients, client{"HTTP/1.1 by " + c.name, func(path string, length int) {
			conn, err := net.Dial("tcp", w.clear)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			if length > 0 {
				fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", path, length, half)
			} else {
				fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", path, len(half), half)
			}
			begins(t, begun)
			c.does(conn)
		}})
	}
	clients = append(clients, client{"HTTP/2 by close_notify", func(path string, length int) {
		conn := w.dial(w.secure)
		fields := []string{":method: POST", ":scheme: https", ":authority: localhost", ":path: " + path}
		if length > 0 {
			fields = append(fields, fmt.Sprintf("content-length: %d", length))
		}
		id, _ := conn.open(false, fields...)
		conn.WriteData(id, false, []byte(half))
		begins(t, begun)
		conn.conn.(*tls.Conn).CloseWrite()
	}}, client{"HTTP/3", func(path string, length int) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		conn, err := w.dialQUIC(ctx, "", &tls.Config{RootCAs: w.roots, ServerName: "localhost", NextProtos: []string{"h3"}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		<-conn.HandshakeComplete()
		s, err := w.quic().NewClientConn(conn).OpenRequestStream(ctx)
		if err != nil {
			t.Fatal(err)
		}
		r, _ := http.NewRequest("DELETE", "https://localhost:"+port(w.secure)+path, nil) // of a POST without a body quic-go says that its length is 0
		if err := s.SendRequestHeader(r); err != nil {
			t.Error(err)
		}
		if _, err := io.WriteString(s, half); err != nil {
			t.Error(err)
		}
		begins(t, begun)
		conn.CloseWithError(0x100, "")
	}})
	for _, c := range clients {
		for _, path := range []string{"/one", "/two"} {
			for _, length := range []int{0, 2 * len(half)} {
				c.post(path, length)
				select {
				case err := <-ended:
					if err == nil {
						t.Errorf("%s, %s, length %d: a cut request reached the server as a whole one", c.name, path, length)
					}
				case <-time.After(5 * time.Second):
					t.Errorf("%s, %s, length %d: the server was not told of the end", c.name, path, length)
				}
			}
		}
	}
}

// beginTunnel accepts the first extended CONNECT on a connection, and sends something.
func beginTunnel(conn net.Conn, read func(f http2.Frame, err error)) {
	f := http2.NewFramer(conn, conn)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	io.ReadFull(conn, make([]byte, len(http2.ClientPreface)))
	f.WriteSettings(http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 1})
	for {
		frame, err := f.ReadFrame()
		if head, ok := frame.(*http2.MetaHeadersFrame); ok {
			var block strings.Builder
			hpack.NewEncoder(&block).WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
			f.WriteHeaders(http2.HeadersFrameParam{StreamID: head.StreamID, BlockFragment: []byte(block.String()), EndHeaders: true})
			f.WriteData(head.StreamID, false, []byte("hello"))
		}
		read(frame, err)
		if err != nil {
			return
		}
	}
}

// A tunnel ends by a reset, and not as if its end had been sent, where the connection of one of its streams ends. RFC 8441 section 5: "an orderly TCP-level close" is an END_STREAM flag,
// and "an RST exception" a RST_STREAM.
func TestATunnelWhoseConnectionIsCutIsReset(t *testing.T) {
	for _, c := range cuts {
		if c.name == "RST" {
			continue // takes what was sent along
		}
		frames := make(chan http2.Frame, 100)
		at := accept(t, nil, func(conn net.Conn) {
			beginTunnel(conn, func(f http2.Frame, err error) {
				switch f := f.(type) {
				case *http2.DataFrame:
					if string(f.Data()) == "end it" {
						c.does(conn)
					}
					frames <- f
				case *http2.RSTStreamFrame:
					frames <- f
				}
			})
		})
		w := newWorld(t, fmt.Sprintf("pools: { app: { servers: [%q], protocol: h2c } }\nsites: { \"*\": app }\n", at))
		for _, byServer := range []bool{true, false} {
			conn := w.dial(w.clear)
			id, err := conn.open(false, ":method: CONNECT", ":protocol: websocket", ":scheme: http", ":authority: localhost", ":path: /chat", "sec-websocket-version: 13")
			if err != nil {
				t.Fatal(err)
			}
			conn.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
			for f, err := conn.ReadFrame(); ; f, err = conn.ReadFrame() {
				if err != nil {
					t.Fatal(err)
				}
				if d, ok := f.(*http2.DataFrame); ok && string(d.Data()) == "hello" {
					break
				}
			}
			if byServer {
				conn.WriteData(id, false, []byte("end it"))
				if a, err := conn.await(id); err != nil || !a.wasReset {
					t.Errorf("%s of the server's: reset %v, %v", c.name, a.wasReset, err)
				}
				<-frames
				continue
			}
			c.does(conn.conn)
			select {
			case f := <-frames:
				if f.Header().Type != http2.FrameRSTStream {
					t.Errorf("%s of the client's: the server got %v", c.name, f)
				}
			case <-time.After(5 * time.Second):
				t.Errorf("%s of the client's: the server is told nothing", c.name)
			}
		}
	}
}
