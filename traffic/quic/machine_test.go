package quic

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/test/walk"
	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/http2"
	"github.com/weir-proxy/weir/wire/http3"
	"github.com/weir-proxy/weir/wire/message"
)

// step is something that happens to a stream or its connection: an exchange does it, or the peer.
type step struct {
	name string
	does func(s *Stream)
	side side // what it may wait for
	peer func(p *remote)
}

// side is a direction of a stream, in which one coroutine at most waits.
type side int

const (
	neither side = iota
	reading
	writing
)

// remote is the other end of a connection. It reads what is sent to it only after the step "peer: reads".
type remote struct {
	conn    *quicgo.Conn
	socket  *socket
	control *quicgo.SendStream

	mu      sync.Mutex
	streams []*quicgo.Stream // that it has opened or taken; the first is the one that the exchange has
	reads   bool
}

func (p *remote) take(s *quicgo.Stream) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.streams = append(p.streams, s)
	if p.reads {
		go io.Copy(io.Discard, s)
	}
}

// on does something on the first stream, if there is one.
func (p *remote) on(do func(s *quicgo.Stream)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.streams) > 0 {
		do(p.streams[0])
	}
}

func (p *remote) write(b ...byte) { p.on(func(s *quicgo.Stream) { writeNow(s, b) }) }

func (p *remote) last(b ...byte) {
	p.on(func(s *quicgo.Stream) {
		writeNow(s, b)
		s.Close()
	})
}

// writeNow writes what the windows allow: a walk goes on in any case.
func writeNow(s interface {
	io.Writer
	SetWriteDeadline(time.Time) error
}, b []byte) {
	s.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
	s.Write(b)
}

// unidirectional sends on a further unidirectional stream.
func (p *remote) unidirectional(b ...byte) {
	if s, err := p.conn.OpenUniStream(); err == nil {
		writeNow(s, b)
	}
}

// another opens a stream of the peer's own.
func (p *remote) another(do func(s *quicgo.Stream)) {
	if s, err := p.conn.OpenStream(); err == nil {
		p.take(s)
		do(s)
	}
}

func (p *remote) startReading() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reads {
		return
	}
	p.reads = true
	for _, s := range p.streams {
		go io.Copy(io.Discard, s)
	}
}

func steps(toServer bool) []step {
	head := []byte("HTTP/1.1 200 OK\r\nX-A: b\r\n\r\n")
	interim := []byte("HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n")
	ok := frameOf(http3.FrameHeaders, 0, 0, 0xd9) // :status 200
	trailers := frameOf(http3.FrameHeaders, []byte("\x00\x00\x23a-b\x01c")...)
	data := frameOf(http3.FrameData, []byte("data")...)
	whole := post
	if toServer {
		whole = ok
	}
	list := []step{
		{name: "write", side: writing, does: func(s *Stream) { s.Write([]byte("content")) }},
		{name: "write much", side: writing, does: func(s *Stream) { s.WriteBuffers(make([]byte, 300_000), []byte("x")) }},
		{name: "end", does: func(s *Stream) { s.WriteEnd(nil) }},
		{name: "end with trailers", does: func(s *Stream) { s.WriteEnd([]byte("X-T: 1\r\n")) }},
		{name: "close write", does: func(s *Stream) { s.CloseWrite() }},
		{name: "read", side: reading, does: func(s *Stream) { s.Read(make([]byte, 10)) }},
		{name: "read all", side: reading, does: readAll},
		{name: "take what arrived", does: func(s *Stream) { s.Arrived(make([]byte, 10)) }},
		{name: "await", does: func(s *Stream) { s.Await(nothing{}) }},
		{name: "watch", does: func(s *Stream) { s.Watch(nothing{}) }},
		{name: "interrupt", does: func(s *Stream) { s.Interrupt() }},
		{name: "close", does: func(s *Stream) { s.Close() }},
		{name: "reset", does: func(s *Stream) { s.Reset() }},
		{name: "done", does: func(s *Stream) { s.Done(http2.InternalError) }},
		{name: "leave", does: func(s *Stream) { s.conn.Leave(http2.NoError) }},
		{name: "cut", does: func(s *Stream) { s.conn.Cut() }},

		{name: "peer: head", peer: func(p *remote) { p.write(whole...) }},
		{name: "peer: head and end", peer: func(p *remote) { p.last(whole...) }},
		{name: "peer: data", peer: func(p *remote) { p.write(data...) }},
		{name: "peer: much data", peer: func(p *remote) {
			p.write(frameOf(http3.FrameData, make([]byte, 200_000)...)...)
		}},
		{name: "peer: half a data frame", peer: func(p *remote) { p.write(data[:3]...) }},
		{name: "peer: half a head", peer: func(p *remote) { p.write(whole[:3]...) }},
		{name: "peer: trailers", peer: func(p *remote) { p.write(trailers...) }},
		{name: "peer: trailers and end", peer: func(p *remote) { p.last(trailers...) }},
		{name: "peer: unknown frame", peer: func(p *remote) { p.write(frameOf(0x21, 1, 2, 3)...) }},
		{name: "peer: a frame of HTTP/2", peer: func(p *remote) { p.write(frameOf(0x06)...) }},
		{name: "peer: bad field section", peer: func(p *remote) { p.write(frameOf(http3.FrameHeaders, 1, 1, 1, 1)...) }},
		{name: "peer: end", peer: func(p *remote) { p.last() }},
		{name: "peer: resets", peer: func(p *remote) {
			p.on(func(s *quicgo.Stream) { s.CancelWrite(quicgo.StreamErrorCode(http3.RequestCancelled)) })
		}},
		{name: "peer: rejects", peer: func(p *remote) {
			p.on(func(s *quicgo.Stream) { s.CancelWrite(quicgo.StreamErrorCode(http3.RequestRejected)) })
		}},
		{name: "peer: stops sending", peer: func(p *remote) {
			p.on(func(s *quicgo.Stream) { s.CancelRead(quicgo.StreamErrorCode(http3.RequestCancelled)) })
		}},
		{name: "peer: has enough", peer: func(p *remote) {
			p.on(func(s *quicgo.Stream) { s.CancelRead(quicgo.StreamErrorCode(http3.NoError)) })
		}},
		{name: "peer: reads", peer: (*remote).startReading},
		{name: "peer: goaway", peer: func(p *remote) { writeNow(p.control, frameOf(http3.FrameGoAway, 0)) }},
		{name: "peer: goaway of a later stream", peer: func(p *remote) { writeNow(p.control, frameOf(http3.FrameGoAway, 8)) }},
		{name: "peer: settings again", peer: func(p *remote) { writeNow(p.control, frameOf(http3.FrameSettings)) }},
		{name: "peer: half a frame on the control stream", peer: func(p *remote) { writeNow(p.control, frameOf(http3.FrameGoAway, 0)[:2]) }},
		{name: "peer: ends the control stream", peer: func(p *remote) { p.control.Close() }},
		{name: "peer: resets the control stream", peer: func(p *remote) { p.control.CancelWrite(0) }},
		{name: "peer: a second control stream", peer: func(p *remote) { p.unidirectional(http3.StreamControl) }},
		{name: "peer: push stream", peer: func(p *remote) { p.unidirectional(http3.StreamPush, 0) }},
		{name: "peer: encoder stream", peer: func(p *remote) { p.unidirectional(http3.StreamEncoder, 0x3f) }},
		{name: "peer: unknown stream", peer: func(p *remote) { p.unidirectional(0x21, 1) }},
		{name: "peer: another stream", peer: func(p *remote) {
			p.another(func(s *quicgo.Stream) { writeNow(s, post) })
		}},
		{name: "peer: another stream that is reset", peer: func(p *remote) {
			p.another(func(s *quicgo.Stream) {
				writeNow(s, post[:4])
				s.CancelWrite(0)
				s.CancelRead(0)
			})
		}},
		{name: "peer: closes", peer: func(p *remote) { p.conn.CloseWithError(quicgo.ApplicationErrorCode(http3.NoError), "") }},
		{name: "peer: closes with an error", peer: func(p *remote) { p.conn.CloseWithError(quicgo.ApplicationErrorCode(http3.InternalError), "") }},
		{name: "peer: vanishes", peer: func(p *remote) { p.socket.cut() }},
		{name: "time", peer: func(*remote) { time.Sleep(1500 * time.Millisecond) }},
	}
	if toServer {
		return append(list,
			step{name: "request", does: func(s *Stream) { request(s, http2.Target{}) }},
			step{name: "extended CONNECT", does: func(s *Stream) { request(s, http2.Target{Protocol: "websocket"}) }},
			step{name: "read head", side: reading, does: func(s *Stream) { readHead(s) }},
			step{name: "open another", does: func(s *Stream) {
				if s := s.conn.Open(); s != nil {
					request(s, http2.Target{})
				}
			}},
			step{name: "ask for CONNECT", side: reading, does: func(s *Stream) { s.CanConnect(time.Second) }})
	}
	return append(list,
		step{name: "interim head", does: func(s *Stream) { s.WriteHead(interim) }},
		step{name: "head", does: func(s *Stream) { s.WriteHead(head) }},
		step{name: "take head", does: func(s *Stream) {
			var r message.Request
			if b, _, _ := s.TakeHead(&r); b != nil {
				s.conn.loop.Release(b)
			}
			s.SetReadTimeout(time.Second)
			s.SetWriteTimeout(time.Second)
		}})
}

// rest is what an exchange does that comes to its end.
var rest = step{name: "rest", side: reading, does: func(s *Stream) {
	if s.conn.toServer {
		readHead(s)
	}
	readAll(s)
}}

func readAll(s *Stream) {
	for b := make([]byte, 1000); ; {
		if _, err := s.Read(b); err != nil {
			return
		}
	}
}

func request(s *Stream, t http2.Target) {
	s.WriteRequest([]byte("POST / HTTP/1.1\r\nHost: a\r\n\r\n"), message.MethodPOST, t, false)
}

func readHead(s *Stream) {
	var in message.Piece
	s.ReadHead(&message.Response{}, &in)
	s.conn.loop.Release(in.Buf)
}

// nothing is who is called, and does nothing.
type nothing struct{}

func (nothing) Serve(engine.Conn)     {}
func (nothing) Changed(engine.Change) {}

// doing runs a step on a coroutine.
type doing struct {
	step
	s    *Stream
	busy *[3]bool // by side
}

func (d *doing) Run() {
	if d.busy[d.side] || d.s.wasDone { // nobody has it after Done
		return
	}
	d.busy[d.side] = d.side != neither
	d.s.SetReadTimeout(time.Second)
	d.s.SetWriteTimeout(time.Second)
	d.does(d.s)
	d.busy[d.side] = false
}

// holder is the owner of a connection that keeps the streams.
type holder struct {
	opened []*Stream
	ended  int
}

func (h *holder) Open(s *Stream) {
	s.SetReadTimeout(time.Second)
	s.SetWriteTimeout(time.Second)
	h.opened = append(h.opened, s)
}
func (h *holder) Ended(*Conn) { h.ended++ }

// socket is one end of a network in memory.
type socket struct {
	at, to net.Addr
	in     chan []byte
	far    *socket

	mu      sync.Mutex
	expired chan struct{} // closed when the read deadline has passed
	closed  chan struct{}
	isCut   bool
}

// network is two sockets and what is between them.
func network() (a, b *socket) {
	make := func(port int) *socket {
		return &socket{at: &net.UDPAddr{IP: net.IPv4(10, 0, 0, 1), Port: port}, in: make(chan []byte, 1000), expired: make(chan struct{}), closed: make(chan struct{})}
	}
	a, b = make(1), make(2)
	a.far, b.far, a.to, b.to = b, a, b.at, a.at
	return a, b
}

func (s *socket) cut() {
	for _, s := range []*socket{s, s.far} {
		s.mu.Lock()
		s.isCut = true
		s.mu.Unlock()
	}
}

func (s *socket) ReadFrom(p []byte) (int, net.Addr, error) {
	s.mu.Lock()
	expired := s.expired
	s.mu.Unlock()
	select {
	case b := <-s.in:
		return copy(p, b), s.to, nil
	case <-expired:
		return 0, nil, os.ErrDeadlineExceeded
	case <-s.closed:
		return 0, nil, net.ErrClosed
	}
}

func (s *socket) WriteTo(p []byte, _ net.Addr) (int, error) {
	s.mu.Lock()
	isCut := s.isCut
	s.mu.Unlock()
	if !isCut {
		select {
		case s.far.in <- slices.Clone(p):
		default: // lost
		}
	}
	return len(p), nil
}

func (s *socket) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case t.IsZero():
		s.expired = make(chan struct{})
	case !t.After(time.Now()):
		close(s.expired)
	}
	return nil
}

func (s *socket) Close() error                     { close(s.closed); return nil }
func (s *socket) LocalAddr() net.Addr              { return s.at }
func (s *socket) SetDeadline(t time.Time) error    { return s.SetReadDeadline(t) }
func (s *socket) SetWriteDeadline(time.Time) error { return nil }

// meet connects a remote with a weir that is its server, or its client.
func meet(t *testing.T, l *engine.Loop, identity *tls.Config, toServer bool, owner Owner) (c *Conn, p *remote, end func()) {
	near, far := network()
	client, server := &quicgo.Transport{Conn: far}, &quicgo.Transport{Conn: near}
	if toServer {
		client, server = server, client
	}
	limits := &quicgo.Config{MaxIncomingUniStreams: unidirectionalMost, InitialStreamReceiveWindow: 32 << 10, MaxStreamReceiveWindow: 32 << 10}
	listener, err := server.Listen(identity, limits)
	if err != nil {
		t.Fatal(err)
	}
	dialed, err := client.Dial(t.Context(), client.Conn.(*socket).to, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h3"}, CurvePreferences: []tls.CurveID{tls.X25519}}, limits)
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := listener.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	config := &Config{Limits: &http1.Limits{}, Header: 5 * time.Second, Send: 5 * time.Second, Idle: time.Minute}
	p = &remote{conn: dialed, socket: far}
	if toServer {
		p.conn = accepted
		l.Call(func() { c = connect(dialed, l, config, owner, func() {}) })
	} else {
		c = New(accepted, l, config, netip.AddrPort{}, netip.AddrPort{})
		c.Begin(owner)
		go c.Serve()
	}
	go func() {
		for {
			s, err := p.conn.AcceptStream(context.Background())
			if err != nil {
				return
			}
			p.take(s)
		}
	}()
	if p.control, err = p.conn.OpenUniStream(); err != nil {
		t.Fatal(err)
	}
	p.control.Write(append([]byte{http3.StreamControl}, frameOf(http3.FrameSettings)...))
	return c, p, func() {
		p.conn.CloseWithError(0, "")
		listener.Close()
		client.Close()
		server.Close()
		near.Close()
		far.Close()
	}
}

// take has the steps happen one after the other to a new stream. Whatever they are, weir's own code may not panic, and once the exchange has ended and weir leaves the connection, it ends
// within a bound, without anything that the peer would have to do, and holds nothing any more.
func take(t *testing.T, identity *tls.Config, toServer bool, steps []step) {
	synctest.Test(t, func(t *testing.T) {
		e, err := engine.New(engine.Config{Loops: 1, Portable: true, Log: t.Logf})
		if err != nil {
			t.Fatal(err)
		}
		l := e.Loops()[0]
		h := &holder{}
		c, p, end := meet(t, l, identity, toServer, h)
		if toServer {
			l.Call(func() { h.opened = append(h.opened, c.Open()) })
		} else {
			p.another(func(s *quicgo.Stream) { s.Write(post) })
		}
		synctest.Wait()
		if len(h.opened) != 1 {
			t.Fatal("no stream is there")
		}
		s, busy := h.opened[0], [3]bool{}
		for _, step := range steps {
			if step.peer != nil {
				step.peer(p)
			} else {
				l.Call(func() { l.Go(&doing{step, s, &busy}) })
			}
			synctest.Wait()
		}
		l.Call(func() { l.Go(&doing{rest, s, &busy}) })
		time.Sleep(2 * time.Second)
		after := func() string {
			var names []string
			for _, step := range steps {
				names = append(names, step.name)
			}
			return strings.Join(names, ", ")
		}
		l.Call(func() {
			for _, s := range append(slices.Clone(c.streams), h.opened...) {
				s.Done(http2.InternalError)
			}
			c.Leave(http2.NoError)
		})
		time.Sleep(45 * time.Second)
		l.Call(func() {
			if n := l.Stats.Panics; n > 0 {
				t.Errorf("%d panics after %s", n, after())
			}
			if h.ended != 1 || c.raw.Context().Err() == nil {
				t.Errorf("the connection has ended %d times after %s", h.ended, after())
			}
			if c.running != 0 || c.late != 0 || c.pieces != 0 || c.held != 0 || l.Held() != 0 || l.BuffersOut() != 0 || c.bringers.Load() != 0 {
				t.Errorf("%d streams, %d late ones, %d pieces, %d bytes of content, %d bytes in all and %d who bring some remain after %s", c.running, c.late, c.pieces, c.held, l.Held(), c.bringers.Load(), after())
			}
		})
		end()
		synctest.Wait()
		e.Close()
	})
}

// ways are how an exchange comes to its deeper states, of which two steps do not get far. Each is followed by each step, and by the rest of an exchange.
func ways(toServer bool) []string {
	if toServer {
		return []string{
			"request", "extended CONNECT", "request; write; end", "request; write much", "request; write much; end", "request; write much; end with trailers",
			"request; write much; peer: has enough", "request; write much; end; peer: has enough", "request; write much; end; peer: stops sending",
			"request; write much; end; peer: has enough; peer: head and end", "request; write much; end; peer: stops sending; peer: head and end",
			"request; write much; peer: head", "request; end; peer: head", "request; end; peer: head; peer: much data", "request; end; peer: head; peer: half a data frame",
			"request; end; peer: head; read head; read", "request; end; peer: head; peer: data; peer: trailers and end", "request; end; peer: head and end",
			"request; open another; leave", "request; open another; peer: goaway of a later stream", "extended CONNECT; peer: head; read head; read", "request; peer: vanishes",
		}
	}
	return []string{
		"take head", "take head; peer: end; head", "head; write; end", "head; write much", "head; write much; end", "head; write much; end with trailers", "head; write much; end; done",
		"head; write much; end; peer: stops sending", "peer: much data; read", "peer: data; peer: end; read all", "peer: half a data frame; read", "peer: data; peer: trailers; read all",
		"head; end; leave", "head; write much; leave", "peer: another stream; leave", "peer: end; head; write much; end; leave; done", "peer: end; head; write much; peer: vanishes",
	}
}

func TestEveryEventInEveryState(t *testing.T) {
	for _, toServer := range []bool{false, true} {
		t.Run(fmt.Sprintf("to a server %v", toServer), func(t *testing.T) {
			t.Parallel()
			identity := identity(t)
			all := steps(toServer)
			for _, first := range all {
				for _, second := range all {
					take(t, identity, toServer, []step{first, second})
				}
			}
			walks := walk.Walks[step]{Events: all, Name: func(s step) string { return s.name }, Ways: ways(toServer), Random: 200, Longest: 8}
			walks.Each(t, rand.New(rand.NewPCG(1, 2)), func(steps []step) { take(t, identity, toServer, steps) })
		})
	}
}
