package stream

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/weir-proxy/weir/engine"
	wire "github.com/weir-proxy/weir/wire/http2"
	"github.com/weir-proxy/weir/wire/message"
)

// step is something that happens to a stream: an exchange does it, or its peer.
type step struct {
	name string
	does func(s *Stream)
	peer func(p *peer)
}

func steps(toServer bool) []step {
	head := "HTTP/1.1 200 OK\r\nX-A: b\r\n\r\n"
	e := hpackBlock{}
	block := e.encode(":status", "200")
	list := []step{
		{name: "write", does: func(s *Stream) { s.Write([]byte("content")) }},
		{name: "write much", does: func(s *Stream) { s.WriteBuffers(make([]byte, 100_000), []byte("x")) }},
		{name: "end", does: func(s *Stream) { s.WriteEnd(nil) }},
		{name: "end with trailers", does: func(s *Stream) { s.WriteEnd([]byte("X-T: 1\r\n")) }},
		{name: "close write", does: func(s *Stream) { s.CloseWrite() }},
		{name: "read", does: func(s *Stream) { s.Read(make([]byte, 10)) }},
		{name: "take what arrived", does: func(s *Stream) { s.Arrived(make([]byte, 10)) }},
		{name: "interrupt", does: func(s *Stream) { s.Interrupt() }},
		{name: "close", does: func(s *Stream) { s.Close() }},
		{name: "reset", does: func(s *Stream) { s.Reset() }},
		{name: "done", does: func(s *Stream) { s.Done(wire.InternalError) }},
		{name: "leave", does: func(s *Stream) { s.conn.Leave(wire.NoError) }},
		{name: "cut", does: func(s *Stream) { s.conn.Cut() }},

		{name: "peer: data", peer: func(p *peer) { p.WriteData(1, false, []byte("data")) }},
		{name: "peer: end", peer: func(p *peer) { p.WriteData(1, true, nil) }},
		{name: "peer: half a frame", peer: func(p *peer) { p.conn.Write([]byte("\x00\x00\x08\x00\x00\x00\x00\x00\x01begin")) }},
		{name: "peer: head", peer: func(p *peer) {
			p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block, EndHeaders: true})
		}},
		{name: "peer: head and end", peer: func(p *peer) {
			p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block, EndHeaders: true, EndStream: true})
		}},
		{name: "peer: reset", peer: func(p *peer) { p.WriteRSTStream(1, http2.ErrCodeCancel) }},
		{name: "peer: no error", peer: func(p *peer) { p.WriteRSTStream(1, http2.ErrCodeNo) }},
		{name: "peer: refused", peer: func(p *peer) { p.WriteRSTStream(1, http2.ErrCodeRefusedStream) }},
		{name: "peer: window", peer: func(p *peer) { p.WriteWindowUpdate(1, 1000) }},
		{name: "peer: windows too large", peer: func(p *peer) { p.WriteWindowUpdate(1, 1<<31-1) }},
		{name: "peer: settings", peer: func(p *peer) { p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}) }},
		{name: "peer: goaway", peer: func(p *peer) { p.WriteGoAway(0, http2.ErrCodeNo, nil) }},
		{name: "peer: push", peer: func(p *peer) {
			p.WritePushPromise(http2.PushPromiseParam{StreamID: 1, PromiseID: 2, BlockFragment: block, EndHeaders: true})
		}},
		{name: "peer: another stream", peer: func(p *peer) {
			p.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: block, EndHeaders: true})
		}},
		{name: "peer: closes", peer: func(p *peer) { p.conn.Close() }},
	}
	if toServer {
		return append(list,
			step{name: "request", does: func(s *Stream) {
				s.WriteRequest([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), message.MethodGET, wire.Target{}, false)
			}},
			step{name: "read head", does: func(s *Stream) { readHead(s) }},
			step{name: "ask for CONNECT", does: func(s *Stream) { s.CanConnect(time.Second) }})
	}
	return append(list, step{name: "head", does: func(s *Stream) { s.WriteHead([]byte(head)) }})
}

func readHead(s *Stream) {
	var in message.Piece
	s.ReadHead(&message.Response{}, &in)
	s.conn.loop.Release(in.Buf)
}

// doing runs a step on a coroutine.
type doing struct {
	s    *Stream
	does func(*Stream)
}

func (d *doing) Run() {
	d.s.SetReadTimeout(time.Second)
	d.s.SetWriteTimeout(time.Second)
	d.does(d.s)
}

// opening opens a stream to a server, and does nothing with it.
type opening struct {
	owner owner
	s     *Stream
}

func (o *opening) Serve(c engine.Conn) { o.s = Connect(c, testConfig, &o.owner, 0).Open() }

// walk has the steps happen one after the other to a new stream. No sequence of them may be one that weir's own code says cannot be.
func walk(t *testing.T, toServer bool, steps []step) {
	synctest.Test(t, func(t *testing.T) {
		e, err := engine.New(engine.Config{Loops: 1, Portable: true, Log: t.Logf})
		if err != nil {
			t.Fatal(err)
		}
		near, far := net.Pipe()
		p := &peer{Framer: http2.NewFramer(far, far), conn: far}
		p.AllowIllegalWrites = true
		var s *Stream
		if toServer {
			o := &opening{}
			e.ServeConn(near, e.Loops()[0], o)
			go func() {
				io.ReadFull(far, make([]byte, len(http2.ClientPreface)))
				p.read()
			}()
			p.WriteSettings()
			pass(0)
			s = o.s
		} else {
			o := &owner{}
			e.ServeConn(near, e.Loops()[0], &acceptingFor{owner: o})
			go p.read()
			p.begin()
			p.post(1)
			s = o.opened[0]
		}
		far.SetWriteDeadline(time.Now().Add(time.Minute))
		wasDone := false
		for _, step := range steps {
			switch {
			case step.peer != nil:
				step.peer(p)
			case !wasDone: // nobody has it any more
				wasDone = step.name == "done"
				s.conn.loop.Call(func() { s.conn.loop.Go(&doing{s, step.does}) })
			}
			pass(0)
		}
		pass(2 * time.Second)
		if n := e.Loops()[0].Stats.Panics; n > 0 {
			var names []string
			for _, step := range steps {
				names = append(names, step.name)
			}
			t.Errorf("%d panics after %s", n, strings.Join(names, ", "))
		}
		far.Close()
		pass(0)
		e.Close()
	})
}

func TestEveryEventInEveryState(t *testing.T) {
	for _, toServer := range []bool{false, true} {
		t.Run(fmt.Sprintf("to a server %v", toServer), func(t *testing.T) {
			all := steps(toServer)
			for _, first := range all {
				for _, second := range all {
					walk(t, toServer, []step{first, second})
				}
			}
			r := rand.New(rand.NewPCG(1, 2))
			for range 1500 {
				var some []step
				for range 3 + r.IntN(6) {
					some = append(some, all[r.IntN(len(all))])
				}
				walk(t, toServer, some)
			}
		})
	}
}
