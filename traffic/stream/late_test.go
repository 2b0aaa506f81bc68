package stream

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/weir-proxy/weir/engine"
	wire "github.com/weir-proxy/weir/wire/http2"
)

// A server that sends interim responses without end gets no further request at once, and is sent away if it goes on after the reset.
func TestAServerThatFloodsAfterAResetIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, k := meetServer(t)
		p.WriteSettings()
		pass(0)
		var other *Stream
		k.conn.loop.Call(func() { other = k.conn.Open() }) // under way beside it
		interim := (&hpackBlock{}).encode(":status", "103")
		n := 0
		for ; len(p.resets) == 0 && n < 1000; n++ {
			p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: interim, EndHeaders: true})
			pass(0)
		}
		if len(p.resets) == 0 || k.conn.HasRoom() || k.conn.IsEnded() || other.IsGone() {
			t.Fatalf("after %d: %d resets, room %v, ended %v", n, len(p.resets), k.conn.HasRoom(), k.conn.IsEnded())
		}
		n = 0
		for ; n < 1000 && !k.conn.IsEnded(); n++ {
			p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: interim, EndHeaders: true})
			pass(0)
		}
		pass(time.Second)
		if last := len(p.codes) - 1; last < 0 || p.codes[last] != http2.ErrCodeEnhanceYourCalm || !p.closed || n > 600 {
			t.Errorf("after %d more: GOAWAY %v, closed %v", n, p.codes, p.closed)
		}
		if k.conn.Why != "budget_late" {
			t.Errorf("why: %q", k.conn.Why)
		}
	})
}

// A frame without content that ends nothing costs the same where nobody wants the stream any more.
func TestEmptyContentAfterAResetCosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, k := meetServer(t)
		p.WriteSettings()
		pass(0)
		k.conn.loop.Call(func() {
			k.conn.Open()
			k.stream.lose(errPeer)
			k.stream.reset(wire.Cancel)
		})
		pass(0)
		n := 0
		for ; n < 1000 && !k.conn.IsEnded(); n++ {
			p.WriteData(1, false, nil)
			pass(0)
		}
		if n > 150 {
			t.Errorf("%d frames were borne", n)
		}
	})
}

// meetServer makes a connection to a server in memory, with a request on it, and the peer that is the server.
func meetServer(t *testing.T) (*peer, *connecting) {
	e, err := engine.New(engine.Config{Loops: 1, Portable: true, Log: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	k := &connecting{owner: &owner{}}
	p := &peer{Framer: http2.NewFramer(far, far), conn: far}
	go func() {
		io.ReadFull(far, make([]byte, len(http2.ClientPreface)))
		p.read()
	}()
	e.ServeConn(near, e.Loops()[0], k)
	pass(0)
	t.Cleanup(func() { far.Close(); pass(0); e.Close() })
	return p, k
}
