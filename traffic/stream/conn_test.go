package stream

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/wire/http1"
	wire "github.com/weir-proxy/weir/wire/http2"
	"github.com/weir-proxy/weir/wire/message"
)

// owner takes streams and answers none.
type owner struct {
	opened []*Stream
	ended  bool
	err    error
}

func (o *owner) Open(s *Stream) {
	seen.Lock()
	defer seen.Unlock()
	o.opened = append(o.opened, s)
}

func (o *owner) Ended(c *Conn) {
	seen.Lock()
	defer seen.Unlock()
	o.ended, o.err = true, c.Err()
}

// seen guards what a test looks at and goroutines of its bubble write.
var seen sync.Mutex

// pass lets time pass, and waits until nothing happens any more. What the test has looked at before was written before, and what it looks at then has been.
func pass(d time.Duration) {
	seen.Lock()
	seen.Unlock()
	time.Sleep(d)
	synctest.Wait()
	seen.Lock()
	seen.Unlock()
}

// accepting is the handler of a client's connection.
type accepting struct {
	owner  *owner
	config *Config
	conn   *Conn
}

func (a *accepting) Serve(c engine.Conn) {
	a.conn = Accept(c, a.config, a.owner, nil)
	a.conn.Serve(c)
}

var testConfig = &Config{Limits: &http1.Limits{}, Header: 10 * time.Second, Send: 20 * time.Second, Idle: time.Minute}

// peer is the other end, whose frames are read as they come.
type peer struct {
	*http2.Framer
	conn   net.Conn
	goAway []uint32
	codes  []http2.ErrCode
	pings  [][8]byte
	resets map[uint32]http2.ErrCode
	closed bool
}

// meet makes a client's connection in memory and the peer that is the client.
func meet(t *testing.T) (*peer, *accepting) {
	p, a := &peer{}, &accepting{owner: &owner{}, config: testConfig}
	met(t, p, a)
	return p, a
}

// met makes p the other end of a connection that h serves.
func met(t *testing.T, p *peer, h engine.Handler) {
	e, err := engine.New(engine.Config{Loops: 1, Portable: true, Log: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	e.ServeConn(near, e.Loops()[0], h)
	p.Framer, p.conn = http2.NewFramer(far, far), far
	go p.read()
	t.Cleanup(func() { far.Close(); pass(0); e.Close() })
}

func (p *peer) read() {
	for {
		f, err := p.ReadFrame()
		if !p.note(f, err) {
			return
		}
	}
}

// note reports whether more may come.
func (p *peer) note(f http2.Frame, err error) bool {
	seen.Lock()
	defer seen.Unlock()
	if err != nil {
		p.closed = true
		return false
	}
	switch f := f.(type) {
	case *http2.GoAwayFrame:
		p.goAway, p.codes = append(p.goAway, f.LastStreamID), append(p.codes, f.ErrCode)
	case *http2.RSTStreamFrame:
		if p.resets == nil {
			p.resets = map[uint32]http2.ErrCode{}
		}
		p.resets[f.StreamID] = f.ErrCode
	case *http2.PingFrame:
		if !f.IsAck() {
			p.pings = append(p.pings, f.Data)
		}
	}
	return true
}

func (p *peer) begin() {
	io.WriteString(p.conn, http2.ClientPreface)
	p.WriteSettings()
	pass(0)
}

func TestAConnectionWithoutAStreamIsLeftInTwoSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, a := meet(t)
		p.begin()
		pass(59 * time.Second)
		if len(p.goAway) > 0 {
			t.Errorf("left before its time: %v", p.goAway)
		}
		pass(1500 * time.Millisecond)
		if len(p.goAway) != 1 || p.goAway[0] != 1<<31-1 || len(p.pings) != 1 || a.owner.ended {
			t.Fatalf("after a minute: GOAWAY %v, PING %v, ended %v", p.goAway, p.pings, a.owner.ended)
		}
		p.WritePing(true, p.pings[0])
		pass(0)
		if len(p.goAway) != 2 || p.goAway[1] != 0 {
			t.Errorf("when the PING is back: GOAWAY %v", p.goAway)
		}
		pass(2 * time.Second)
		if !a.owner.ended || !p.closed {
			t.Error("the connection is still there")
		}
	})
}

func TestAClientThatDoesNotAnswerIsLeftAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, a := meet(t)
		p.begin()
		pass(65 * time.Second)
		if !a.owner.ended || len(p.goAway) != 2 {
			t.Errorf("ended %v, GOAWAY %v", a.owner.ended, p.goAway)
		}
	})
}

func TestWhatIsBegunMustEndInTime(t *testing.T) {
	block := func() []byte {
		e := hpackBlock{}
		return e.encode(":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/")
	}()
	for name, begin := range map[string]func(p *peer){
		"nothing":            func(*peer) {},
		"half a preface":     func(p *peer) { io.WriteString(p.conn, http2.ClientPreface[:10]) },
		"no settings":        func(p *peer) { io.WriteString(p.conn, http2.ClientPreface) },
		"half a frame":       func(p *peer) { p.begin(); p.conn.Write([]byte{0, 0, 8, 6, 0, 0}) },
		"a head without end": func(p *peer) { p.begin(); p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, a := meet(t)
				begin(p)
				pass(9 * time.Second)
				if a.owner.ended {
					t.Error("ended before its time")
				}
				pass(3 * time.Second)
				if !a.owner.ended || len(p.codes) != 1 || p.codes[0] != http2.ErrCodeEnhanceYourCalm {
					t.Errorf("ended %v, by %v", a.owner.ended, p.codes)
				}
			})
		})
	}
}

type hpackBlock struct{ b []byte }

func (h *hpackBlock) Write(p []byte) (int, error) { h.b = append(h.b, p...); return len(p), nil }

func (h *hpackBlock) encode(pairs ...string) []byte {
	e := hpack.NewEncoder(h)
	for i := 0; i < len(pairs); i += 2 {
		e.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	return h.b
}

// connecting is the handler of a connection to a server, on which it opens a stream.
type connecting struct {
	owner  *owner
	conn   *Conn
	stream *Stream
	err    error
	waited bool
}

func (k *connecting) Serve(c engine.Conn) {
	k.conn = Connect(c, testConfig, k.owner, 0)
	k.stream = k.conn.Open()
	k.stream.WriteRequest([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), message.MethodGET, wire.Target{}, false)
	k.stream.WriteEnd(nil)
	k.stream.SetReadTimeout(time.Hour)
	_, k.err = k.stream.ReadHead(&message.Response{}, &message.Piece{})
	k.waited = true
}

func TestAServerThatFallsSilentIsAskedForASignOfLife(t *testing.T) {
	for _, answers := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			p, k := meetServer(t)
			p.WriteSettings()
			pass(16 * time.Second)
			if len(p.pings) != 1 {
				t.Fatalf("%d PINGs after 16 s", len(p.pings))
			}
			if answers {
				p.WritePing(true, p.pings[0])
			}
			pass(11 * time.Second)
			if answers == k.owner.ended || answers == k.waited {
				t.Errorf("answers %v: connection ended %v, stream %v %v", answers, k.owner.ended, k.waited, k.err)
			}
			if !answers && (!errors.Is(k.err, engine.ErrTimeout) || k.err == engine.ErrTimeout) {
				t.Errorf("the stream's error is %v: it must be a timeout, and not one of the stream's own, after which its reader may go on", k.err)
			}
		})
	}
}

// A client that leaves is told which of its requests was the last that weir has taken.
func TestAClientThatLeavesIsToldWhatWasTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, a := meet(t)
		p.begin()
		p.post(1)
		p.WriteGoAway(0, http2.ErrCodeNo, nil)
		p.post(3)
		a.owner.opened[0].conn.loop.Call(func() { a.owner.opened[0].Close() })
		pass(2 * time.Second)
		if len(p.goAway) != 1 || p.goAway[0] != 1 || p.codes[0] != http2.ErrCodeNo || !p.closed {
			t.Errorf("GOAWAY %v %v, closed %v", p.goAway, p.codes, p.closed)
		}
	})
}

// A server that is well and has nothing to say for hours is asked so seldom that one of gRPC does not end the connection for it: at most twice at first, then not within five minutes of
// the last time. What it sends of a response begins the count anew.
func TestAQuietServerIsAskedSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, k := meetServer(t)
		p.WriteSettings()
		var at []time.Time
		for range 3400 {
			pass(time.Second)
			seen.Lock()
			for ; len(at) < len(p.pings); at = append(at, time.Now()) {
				p.WritePing(true, p.pings[len(at)])
			}
			seen.Unlock()
		}
		if k.owner.ended || k.waited {
			t.Fatalf("the connection has ended: %v", k.err)
		}
		if len(at) < 9 || len(at) > 14 {
			t.Errorf("%d PINGs in nearly an hour", len(at))
		}
		for i := 2; i < len(at); i++ {
			if pause := at[i].Sub(at[i-1]); pause < 5*time.Minute {
				t.Errorf("PING %d comes %v after the one before", i+1, pause)
			}
		}
		before := len(at)
		for range 2 { // another request may be the one for which a server that has vanished must be found out, a third must not be
			k.conn.loop.Call(func() { k.conn.Open() })
			for range 31 {
				pass(time.Second)
				seen.Lock()
				for ; len(at) < len(p.pings); at = append(at, time.Now()) {
					p.WritePing(true, p.pings[len(at)])
				}
				seen.Unlock()
			}
		}
		if n := len(at) - before; n != 1 {
			t.Errorf("%d PINGs after further requests, want one", n)
		}
	})
}

// Of a connection that was idle the silence counts from its next request on, and from its last response until it is idle for too long.
func TestSilenceCountsFromTheLastChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, a := meet(t)
		p.begin()
		pass(50 * time.Second) // of a minute
		p.post(1)
		pass(30 * time.Second)
		if len(p.goAway) != 0 {
			t.Fatal("a connection with a request is left")
		}
		a.owner.opened[0].conn.loop.Call(func() { a.owner.opened[0].Close() })
		pass(58 * time.Second)
		if len(p.goAway) != 0 {
			t.Error("left within a minute after its last request")
		}
		pass(2500 * time.Millisecond)
		if len(p.goAway) != 1 {
			t.Errorf("not left a minute after its last request: ended %v, %v", a.owner.ended, a.owner.err)
		}
	})
}
