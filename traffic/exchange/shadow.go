package exchange

import (
	"io"
	"net/netip"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/site"
)

// shadow is an exchange that takes a copy of a request to another pool, beside the one that answers the client. Nobody gets its answer. It is in the
// figures of its pool, and not in those of requests.
type shadow struct {
	at      *perLoop
	mirror  *site.Mirror
	twin    *twin // compares; nil: nobody does
	session session
	conn    shadowConn
	buf     []byte
}

// Run is the exchange, from the reading of the copy to the end of the answer.
func (s *shadow) Run() {
	x := s.at.borrow()
	s.session.x = x
	x.reset(&s.session)
	x.request.twin = s.twin
	x.run()
	s.session.closePrivate()
	s.judge(x)
	s.session.x = nil
	s.at.giveBack(x)
	s.end()
}

// Panicked ends a shadow that panicked.
func (s *shadow) Panicked() {
	if x := s.session.x; x != nil {
		s.at.Stats.Active++ // settlePanic takes it off
		s.at.loop.Hold(exchangeHeld)
		x.settlePanic()
	}
	s.session.closePrivate()
	s.end()
}

func (s *shadow) end() {
	s.at.loop.Release(s.buf)
	s.at.shadows--
}

// judge counts what came of it.
func (s *shadow) judge(x *Exchange) {
	mine := &s.session.counted.Mirror
	if x.reason != reason.Done {
		mine.Failed++
		return
	}
	if s.twin == nil {
		return
	}
	// The client's exchange ends by its own deadlines; one that is longer on its way than this is not waited for.
	if !s.twin.ended && !s.at.loop.Wait(&s.twin.end, time.Minute) || !s.twin.isWhole {
		return
	}
	why := s.twin.difference()
	if why == "" {
		mine.Same++
		return
	}
	mine.Differs++
	x.reason, x.detail = reason.MirrorDiffers, why
	if x.setup.Log != nil && !x.request.route.Unlogged {
		x.log()
	}
}

// shadowConn is a client that has sent a request and takes any answer.
type shadowConn struct {
	loop          *engine.Loop
	request       []byte
	local, remote netip.AddrPort
}

func (c *shadowConn) Read(p []byte) (int, error) {
	if len(c.request) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.request)
	c.request = c.request[n:]
	return n, nil
}

func (c *shadowConn) Write(p []byte) (int, error)           { return len(p), nil }
func (c *shadowConn) WriteBuffers(a, b []byte) (int, error) { return len(a) + len(b), nil }
func (c *shadowConn) SetReadTimeout(time.Duration)          {}
func (c *shadowConn) SetWriteTimeout(time.Duration)         {}
func (c *shadowConn) CloseWrite() error                     { return nil }
func (c *shadowConn) Close() error                          { return nil }
func (c *shadowConn) Await(engine.Handler)                  {}
func (c *shadowConn) Reclaim() bool                         { return false }
func (c *shadowConn) IsIdle() bool                          { return false }
func (c *shadowConn) Interrupt()                            {}
func (c *shadowConn) ClearInterrupt()                       {}
func (c *shadowConn) Watch(engine.Watcher)                  {}
func (c *shadowConn) Reset() error                          { return c.Close() }
func (c *shadowConn) IsGone() bool                          { return false }
func (c *shadowConn) LocalAddr() netip.AddrPort             { return c.local }
func (c *shadowConn) RemoteAddr() netip.AddrPort            { return c.remote }
func (c *shadowConn) Loop() *engine.Loop                    { return c.loop }
