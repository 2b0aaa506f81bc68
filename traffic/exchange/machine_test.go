package exchange

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/test/memory"
	"github.com/weir-proxy/weir/test/walk"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/traffic/stream"
	"github.com/weir-proxy/weir/traffic/transport"
	"github.com/weir-proxy/weir/wire/http1"
)

// event is something that a client does, or the server that was connected to last.
type event struct {
	name string
	does func(p *players)
}

// players are the client, the servers and the network of a walk.
type players struct {
	client  *memory.Conn
	deafens chan struct{} // closed when the client reads no more

	mu       sync.Mutex
	server   *memory.Conn // the last connection; nil: there is none
	streams  uint32       // of HTTP/2: the last stream on it
	connects func() error
	over     chan struct{} // closed at the end of the walk
}

// sending has the client send.
func sending(text string) func(*players) {
	return func(p *players) { sendNow(p.client, text) }
}

// sendNow sends what there is room for: a walk goes on in any case.
func sendNow(c *memory.Conn, text string) {
	c.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
	io.WriteString(c, text)
}

// answers has the server send.
func answers(text string) func(*players) { return onServer(func(c *memory.Conn) { sendNow(c, text) }) }

func onServer(do func(c *memory.Conn)) func(*players) {
	return func(p *players) {
		p.mu.Lock()
		c := p.server
		p.mu.Unlock()
		if c != nil {
			do(c)
		}
	}
}

// frames has a server of HTTP/2 send frames on the last stream.
func frames(write func(f *http2.Framer, id uint32)) func(*players) {
	return func(p *players) {
		p.mu.Lock()
		id := p.streams
		p.mu.Unlock()
		if id == 0 {
			return
		}
		var b bytes.Buffer
		f := http2.NewFramer(&b, nil)
		f.AllowIllegalWrites = true
		write(f, id)
		answers(b.String())(p)
	}
}

func connects(err error, after time.Duration) func(*players) {
	return func(p *players) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.connects = func() error {
			time.Sleep(after)
			return err
		}
	}
}

func aborts(c *memory.Conn) {
	c.SetLinger(0)
	c.Close()
}

func clientEvents() []event {
	head := func(line, rest string) string { return line + " HTTP/1.1\r\nHost: a\r\n" + rest + "\r\n" }
	return []event{
		{"client: part of a head", sending("GET / HTTP/1.1\r\nHo")},
		{"client: the rest of it", sending("st: a\r\n\r\n")},
		{"client: GET", sending(head("GET /", ""))},
		{"client: two requests", sending(head("GET /1", "") + head("GET /2", ""))},
		{"client: HEAD", sending(head("HEAD /", ""))},
		{"client: OPTIONS *", sending(head("OPTIONS *", ""))},
		{"client: CONNECT", sending(head("CONNECT a:80", ""))},
		{"client: last request", sending(head("GET /", "Connection: close\r\n"))},
		{"client: HTTP/1.0", sending("GET / HTTP/1.0\r\n\r\n")},
		{"client: POST", sending(head("POST /", "Content-Length: 10\r\n"))},
		{"client: PUT", sending(head("PUT /", "Content-Length: 10\r\n"))},
		{"client: POST in chunks", sending(head("POST /", "Transfer-Encoding: chunked\r\n"))},
		{"client: POST of much", sending(head("POST /", "Content-Length: 500000\r\n") + strings.Repeat("m", 100_000))},
		{"client: expects 100", sending(head("POST /", "Expect: 100-continue\r\nContent-Length: 10\r\n"))},
		{"client: upgrade", sending(head("GET /", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"))},
		{"client: gRPC", sending(head("POST /a/b", "Content-Type: application/grpc\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n"))},
		{"client: half a body", sending("12345")},
		{"client: a body and a request", sending("1234567890" + head("GET /3", ""))},
		{"client: chunk", sending("5\r\n12345\r\n")},
		{"client: part of a chunk", sending("5\r\n123")},
		{"client: last chunk", sending("0\r\n\r\n")},
		{"client: trailers", sending("0\r\nX-T: 1\r\n\r\n")},
		{"client: much", sending(strings.Repeat("x", 60_000))},
		{"client: nonsense", sending("\x00\x16\r\n\r\n")},
		{"client: preface of HTTP/2", sending(http2.ClientPreface)},
		{"client: reads no more", func(p *players) {
			select {
			case <-p.deafens:
			default:
				close(p.deafens)
			}
		}},
		{"client: finishes", func(p *players) { p.client.CloseWrite() }},
		{"client: closes", func(p *players) { p.client.Close() }},
		{"client: resets", func(p *players) { aborts(p.client) }},
		{"a second", func(*players) { time.Sleep(time.Second) }},
		{"a minute", func(*players) { time.Sleep(61 * time.Second) }},
	}
}

func serverEvents(isHTTP2 bool) []event {
	list := []event{
		{"server: refuses further connections", connects(errors.New("connect: connection refused"), 0)},
		{"server: accepts slowly", connects(nil, time.Second)},
		{"server: accepts nothing", connects(os.ErrDeadlineExceeded, 3*time.Second)},
		{"server: accepts again", connects(nil, 0)},
		{"server: finishes", onServer(func(c *memory.Conn) { c.CloseWrite() })},
		{"server: closes", onServer(func(c *memory.Conn) { c.Close() })},
		{"server: resets", onServer(aborts)},
		{"server: nonsense", answers("\x00\x00\xffnonsense\r\n\r\n")},
	}
	if !isHTTP2 {
		return append(list,
			event{"server: 100", answers("HTTP/1.1 100 Continue\r\n\r\n")},
			event{"server: 103", answers("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")},
			event{"server: 101", answers("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")},
			event{"server: part of a head", answers("HTTP/1.1 200 OK\r\nCont")},
			event{"server: head", answers("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")},
			event{"server: head of chunks", answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")},
			event{"server: head until the end", answers("HTTP/1.1 200 OK\r\n\r\n")},
			event{"server: head of much", answers("HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n" + strings.Repeat("m", 100_000))},
			event{"server: half a body", answers("12345")},
			event{"server: much", answers(strings.Repeat("x", 60_000))},
			event{"server: chunk", answers("5\r\n12345\r\n")},
			event{"server: last chunk", answers("0\r\n\r\n")},
			event{"server: trailers", answers("0\r\nX-T: 1\r\n\r\n")},
			event{"server: answers", answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")},
			event{"server: 204", answers("HTTP/1.1 204 No Content\r\n\r\n")},
			event{"server: 413 and closes", answers("HTTP/1.1 413 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")},
			event{"server: 503", answers("HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno")})
	}
	block := func(pairs ...string) []byte {
		var b bytes.Buffer
		e := hpack.NewEncoder(&b)
		e.SetMaxDynamicTableSize(0)
		for i := 0; i < len(pairs); i += 2 {
			e.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
		}
		return b.Bytes()
	}
	head := func(ends bool, pairs ...string) func(*players) {
		return frames(func(f *http2.Framer, id uint32) {
			f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block(pairs...), EndHeaders: true, EndStream: ends})
		})
	}
	return append(list,
		event{"server: 100", head(false, ":status", "100")},
		event{"server: 103", head(false, ":status", "103", "link", "a")},
		event{"server: 101", head(false, ":status", "101")},
		event{"server: part of a head", frames(func(f *http2.Framer, id uint32) {
			f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block(":status", "200")})
		})},
		event{"server: head", head(false, ":status", "200", "content-length", "10")},
		event{"server: head of chunks", head(false, ":status", "200")},
		event{"server: half a body", frames(func(f *http2.Framer, id uint32) { f.WriteData(id, false, []byte("12345")) })},
		event{"server: much", frames(func(f *http2.Framer, id uint32) {
			for range 3 {
				f.WriteData(id, false, make([]byte, 16<<10))
			}
		})},
		event{"server: part of a frame", answers("\x00\x00\x08\x00\x00\x00\x00\x00\x01begin")},
		event{"server: last chunk", frames(func(f *http2.Framer, id uint32) { f.WriteData(id, true, nil) })},
		event{"server: trailers", head(true, "x-t", "1")},
		event{"server: answers", head(true, ":status", "200")},
		event{"server: 413 and closes", frames(func(f *http2.Framer, id uint32) {
			f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block(":status", "413"), EndHeaders: true, EndStream: true})
			f.WriteRSTStream(id, http2.ErrCodeNo)
		})},
		event{"server: 503", head(true, ":status", "503")},
		event{"server: resets the stream", frames(func(f *http2.Framer, id uint32) { f.WriteRSTStream(id, http2.ErrCodeCancel) })},
		event{"server: refuses the stream", frames(func(f *http2.Framer, id uint32) { f.WriteRSTStream(id, http2.ErrCodeRefusedStream) })},
		event{"server: has enough", frames(func(f *http2.Framer, id uint32) { f.WriteRSTStream(id, http2.ErrCodeNo) })},
		event{"server: wants HTTP/1.1", frames(func(f *http2.Framer, id uint32) { f.WriteRSTStream(id, http2.ErrCodeHTTP11Required) })},
		event{"server: leaves", frames(func(f *http2.Framer, id uint32) { f.WriteGoAway(id, http2.ErrCodeNo, nil) })},
		event{"server: leaves at once", frames(func(f *http2.Framer, id uint32) { f.WriteGoAway(0, http2.ErrCodeNo, nil) })},
		event{"server: windows of nothing", frames(func(f *http2.Framer, id uint32) {
			f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		})})
}

// ways are how an exchange comes to its states; each is followed by every event.
var ways = []string{
	"client: part of a head",
	"client: GET",
	"client: two requests",
	"client: POST; client: half a body",
	"client: PUT; client: half a body; client: half a body",
	"client: POST in chunks; client: chunk",
	"client: POST of much",
	"client: expects 100",
	"client: expects 100; server: 100; client: half a body",
	"client: upgrade",
	"client: upgrade; server: 101",
	"client: upgrade; server: head of chunks; client: half a body",
	"client: upgrade; server: 101; client: finishes",
	"client: gRPC; client: chunk; server: head of chunks",
	"client: GET; server: part of a head",
	"client: GET; server: 103",
	"client: GET; server: head; server: half a body",
	"client: GET; server: head of chunks; server: much",
	"client: GET; client: reads no more; server: head of chunks; server: much; server: much; server: much",
	"client: GET; server: answers",
	"client: GET; client: finishes",
	"client: POST; server: head; client: half a body",
	"client: POST; server: 413 and closes",
	"client: POST in chunks; client: chunk; server: head of chunks",
	"server: accepts slowly; client: GET",
	"server: refuses further connections; client: POST; client: half a body",
}

// mode is how a walk's weir is configured.
type mode struct {
	name string
	set  func(w *world)
}

var modes = []mode{
	{"plain", func(*world) {}},
	{"buffering", func(w *world) { w.route.Buffer = &site.Buffer{Request: 64 << 10, Response: 64 << 10} }},
	{"mirror", func(w *world) {
		copies := *w.route
		d := *w.route.Destination
		d.Pool = pool.New(pool.Config{Name: "shadow", Loops: 1, Servers: []pool.ServerConfig{{Address: "10.0.0.2:80"}}}, nil)
		d.Loops = make([]site.DestinationLoop, 1)
		copies.Destination = &d
		w.route.Mirror = &site.Mirror{Route: &copies, Share: site.Points, Body: 1000}
	}},
	{"hedging", func(w *world) { w.route.Destination.Hedge = site.NewHedge(0.5, 1, 1) }},
	{"time limits", func(w *world) { w.route.Request, w.route.Response = 20*time.Second, 5*time.Second }},
}

// take has the events happen one after the other. Whatever they are, weir's own code may not panic; and once the client has closed its connection, everything that was held for it is
// given back within a bound, although no server does anything further.
func take(t *testing.T, m mode, isHTTP2 bool, serve func(net.Conn), events []event) {
	p := &players{connects: func() error { return nil }}
	isPolite := serve != nil
	if serve == nil {
		serve = p.serve
		if isHTTP2 {
			serve = p.serveHTTP2
		}
	}
	inWorld(t, servers(serve, serve), func(w *world) {
		p.deafens, p.over = make(chan struct{}), make(chan struct{})
		w.route.Stream = 5 * time.Minute // a client that finishes may read yet: its end may come to light no sooner
		m.set(w)
		if isHTTP2 {
			w.route.Destination.Transport.Version = transport.H2C
			w.route.Destination.Transport.Streams = &stream.Config{Limits: &http1.Limits{}, Header: 5 * time.Second, Send: 30 * time.Second, Idle: 55 * time.Second}
		}
		w.network = func() error {
			p.mu.Lock()
			connects := p.connects
			p.mu.Unlock()
			return connects()
		}
		ours, theirs := memory.NewConn()
		p.client = ours
		w.engine.ServeConn(theirs, w.engine.Loops()[0], w.http)
		go p.read()
		var names []string
		for _, e := range events {
			names = append(names, e.name)
			e.does(p)
			synctest.Wait()
		}
		time.Sleep(3 * time.Second)
		p.client.Close()
		time.Sleep(10 * time.Minute)
		w.engine.Each(func(l *engine.Loop) {
			st := w.driver.Stats(l.Index)
			set := w.route.Destination.Pool.Set()
			var inFlight int32
			failures := make(map[pool.Outcome]uint64)
			for _, s := range set.Servers {
				inFlight += s.Load(0).InFlight
				for o, n := range s.Load(0).Outcomes {
					if pool.Outcome(o).IsFailure() && n > 0 {
						failures[pool.Outcome(o)] += n
					}
				}
			}
			if n := l.Stats.Panics; n > 0 {
				t.Errorf("%s: %d panics after %s", m.name, n, strings.Join(names, ", "))
			}
			if st.Active != 0 || st.Clients != 0 || st.Tunnels != 0 || inFlight != 0 || l.Stats.Open != 0 || l.BuffersOut() != 0 || l.Held() != 0 {
				t.Errorf("%s: %d exchanges, %d clients, %d tunnels, %d attempts, %d connections, %d buffers and %d bytes remain after %s", m.name, st.Active, st.Clients, st.Tunnels, inFlight,
					l.Stats.Open, l.BuffersOut(), l.Held(), strings.Join(names, ", "))
			}
			if isPolite && len(failures) > 0 {
				t.Errorf("%s: servers are blamed %v for what the client did: %s", m.name, failures, strings.Join(names, ", "))
			}
		})
		close(p.over)
	})
}

// read takes what the client gets, until it reads no more.
func (p *players) read() {
	b := make([]byte, 4<<10)
	for {
		select {
		case <-p.deafens:
			return
		default:
		}
		if _, err := p.client.Read(b); err != nil {
			return
		}
	}
}

func (p *players) accept(c net.Conn) *memory.Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.server, p.streams = c.(*memory.Conn), 0
	return p.server
}

// serve takes what it gets, and answers when the walk says so.
func (p *players) serve(c net.Conn) {
	io.Copy(io.Discard, p.accept(c))
	<-p.over // only the walk closes it
}

func (p *players) serveHTTP2(c net.Conn) {
	p.accept(c)
	io.ReadFull(c, make([]byte, len(http2.ClientPreface)))
	f := http2.NewFramer(c, c)
	f.WriteSettings(http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 1})
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			break
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				f.WriteSettingsAck()
			}
		case *http2.HeadersFrame:
			p.mu.Lock()
			if p.server == c {
				p.streams = frame.StreamID
			}
			p.mu.Unlock()
		}
	}
	<-p.over
}

// polite is a server that reads whole requests and gives a large answer to each after a while.
type polite struct{}

func (polite) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return
	}
	time.Sleep(2 * time.Second)
	for range 20 {
		if _, err := w.Write(make([]byte, 10_000)); err != nil {
			return
		}
	}
}

// one is a listener of a single connection.
type one struct {
	c      net.Conn
	closed chan struct{}
}

func (o *one) Accept() (net.Conn, error) {
	if c := o.c; c != nil {
		o.c = nil
		return c, nil
	}
	<-o.closed
	return nil, io.EOF
}
func (o *one) Addr() net.Addr { return &net.TCPAddr{} }
func (o *one) Close() error   { return nil }

func servePolitely(c net.Conn) {
	o := &one{c, make(chan struct{})}
	(&http.Server{Handler: polite{}, ConnState: func(_ net.Conn, s http.ConnState) {
		if s == http.StateClosed || s == http.StateHijacked {
			close(o.closed)
		}
	}}).Serve(o)
}

func servePolitelyByHTTP2(c net.Conn) {
	base, s := &http.Server{Handler: polite{}, ErrorLog: log.New(io.Discard, "", 0)}, &http2.Server{}
	http2.ConfigureServer(base, s) // without it, servers share channels, which synctest does not allow
	s.ServeConn(c, &http2.ServeConnOpts{BaseConfig: base})
}

func TestEveryEventInEveryState(t *testing.T) {
	for _, isHTTP2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("to a server of HTTP/2 %v", isHTTP2), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(1, 2))
			walks := walk.Walks[event]{Events: slices.Concat(clientEvents(), serverEvents(isHTTP2)), Name: func(e event) string { return e.name }, Ways: ways, Random: 300, Longest: 10}
			walks.Each(t, r, func(events []event) { take(t, modes[r.IntN(len(modes))], isHTTP2, nil, events) })
		})
	}
}

// Whatever a client does, no server is to blame that answers whatever it is asked.
func TestNoServerIsBlamedForWhatItsClientDoes(t *testing.T) {
	for _, isHTTP2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("to a server of HTTP/2 %v", isHTTP2), func(t *testing.T) {
			t.Parallel()
			serve := servePolitely
			if isHTTP2 {
				serve = servePolitelyByHTTP2
			}
			all := clientEvents()
			r := rand.New(rand.NewPCG(1, 2))
			for _, first := range all {
				for _, second := range all {
					take(t, modes[r.IntN(len(modes))], isHTTP2, serve, []event{first, second, all[r.IntN(len(all))]})
				}
			}
		})
	}
}
