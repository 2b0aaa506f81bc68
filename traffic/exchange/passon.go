package exchange

import (
	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/wire/http2"
)

// Passed is what another process needs to know of a client connection beside its descriptor.
type Passed struct {
	HTTP     *HTTP
	Requests int // served on it so far
}

// PassOn gives every client connection of the loop that is at rest to the process that takes over, now and whenever one comes to rest, and
// makes the answers on those that cannot be given away the last of theirs. send is called on the loop and must not wait; if it fails the
// connection stays, and the next PassOn tries again. On that loop, outside of any coroutine. It says what is left.
func (d *Driver) PassOn(l *engine.Loop, send func(fd int, p Passed) error) (left Left) {
	d.draining.Store(drainSome)
	p := d.loops[l.Index]
	p.passOn = func(s *session) bool { return s.pass(send) }
	for s, next := p.sessions, (*session)(nil); s != nil; s = next {
		next = s.next
		if s.passNow() {
			continue
		}
		left.count(s)
	}
	return left
}

// passNow reports whether the connection is gone from here.
func (s *session) passNow() bool {
	switch {
	case s.streams != nil:
		s.streams.via.Leave(http2.NoError)
	case !s.canPass():
	case s.isWaiting():
		s.conn.Interrupt() // its coroutine comes to rest without a request
	case s.x == nil && s.conn.Reclaim():
		if s.at.passOn(s) {
			return true
		}
		s.conn.Await(s)
	}
	return false
}

// canPass reports whether the connection could live in another process: the state of TLS cannot move, nor can server connections that are
// the client's own.
func (s *session) canPass() bool { return len(s.private) == 0 && engine.CanPass(s.conn) }

// pass gives the connection away; false when it stays. Nobody reads from it: what has arrived of the next request goes along in the socket.
func (s *session) pass(send func(fd int, p Passed) error) bool {
	s.conn.ClearInterrupt()
	if !s.canPass() {
		return false
	}
	passed := Passed{s.http, s.requests}
	if engine.Pass(s.conn, func(fd int) error { return send(fd, passed) }) != nil {
		return false
	}
	s.end()
	return true
}

// Resume takes a connection that another process has passed on: its next request may be there already, or come in the idle time. On its
// loop, outside of any coroutine.
func (h *HTTP) Resume(c engine.Conn, requests int) {
	setup := h.setup.Load()
	s := h.newSession(h.driver.loops[c.Loop().Index], c, nil, setup)
	s.requests = requests
	c.SetReadTimeout(setup.Idle)
	c.Await(s)
}
