package exchange

import (
	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/wire/http2"
)

// What Driver.draining says.
const (
	drainAll  = 1 + iota // every answer is the last of its connection
	drainSome            // those of connections that cannot be passed on to another process are
)

// Drain makes every answer from now on the last of its connection.
func (d *Driver) Drain() { d.draining.Store(drainAll) }

// isLast reports whether the answer must be its connection's last.
func (x *Exchange) isLast() bool {
	switch x.driver.draining.Load() {
	case 0:
		return false
	case drainAll:
		return true
	}
	return !x.session.canPass()
}

// Left is what client connections of a loop have under way.
type Left struct {
	Connections int64 // all of them
	Leaving     int64 // of these, those that carry streams and have none: clients may still have to be told, or to get the rest of an answer
	Exchanges   int64 // requests begun and not ended, without tunnels
	Tunnels     int64
}

// Add sums up over loops.
func (l *Left) Add(other Left) {
	l.Connections += other.Connections
	l.Leaving += other.Leaving
	l.Exchanges += other.Exchanges
	l.Tunnels += other.Tunnels
}

// AddTunnels adds connections that never carried requests.
func (l *Left) AddTunnels(n int64) {
	l.Connections += n
	l.Tunnels += n
}

func (l *Left) count(s *session) {
	l.Connections++
	switch {
	case s.streams != nil && s.streams.exchanges == 0:
		l.Leaving++
	case s.streams != nil:
		l.Tunnels += int64(s.streams.tunnels)
		l.Exchanges += int64(s.streams.exchanges - s.streams.tunnels)
	case s.x != nil && s.x.client.inTunnel:
		l.Tunnels++
	case s.x != nil && !s.isWaiting():
		l.Exchanges++
	}
}

// IsNothing reports whether no work is left; connections without any do not count.
func (l *Left) IsNothing() bool { return l.Exchanges == 0 && l.Tunnels == 0 && l.Leaving == 0 }

// link and unlink keep the list of a loop's sessions. Once per connection, not per request.
func (p *perLoop) link(s *session) {
	if s.next = p.sessions; s.next != nil {
		s.next.prev = s
	}
	p.sessions = s
}

func (p *perLoop) unlink(s *session) {
	if s.next != nil {
		s.next.prev = s.prev
	}
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		p.sessions = s.next
	}
	s.next, s.prev = nil, nil
}

// EndIdle ends the client connections that have no request under way and none in the socket, and says what is left. On that loop, outside of
// any coroutine. only is the listener whose connections are meant; nil: every listener's.
func (d *Driver) EndIdle(l *engine.Loop, only *HTTP) (left Left) {
	p := d.loops[l.Index]
	for s, next := p.sessions, (*session)(nil); s != nil; s = next {
		next = s.next
		if only != nil && s.http != only || s.endIdle() {
			continue
		}
		left.count(s)
	}
	return left
}

// endIdle reports whether the session has ended.
func (s *session) endIdle() bool {
	switch {
	case s.streams != nil:
		s.streams.via.Leave(http2.NoError)
	case s.x == nil && s.conn.Reclaim():
		if engine.HasArrived(s.conn) {
			s.conn.Await(s)
			return false
		}
		s.conn.Close()
		s.end()
		return true
	case s.isWaiting() && !engine.HasArrived(s.conn):
		s.conn.Interrupt() // its coroutine finds no request and closes it
	}
	return false
}

// isWaiting reports whether the session has a coroutine and not a byte of a request yet, as a new connection has.
func (s *session) isWaiting() bool {
	return s.x != nil && s.x.stage == Read && s.x.request.inLen == 0 && s.x.request.headLen == 0
}

// Cut ends everything that client connections have under way, and is told of by the exchanges in their own time. On that loop, outside of
// any coroutine.
func (d *Driver) Cut(l *engine.Loop, only *HTTP) {
	for s, next := d.loops[l.Index].sessions, (*session)(nil); s != nil; s = next {
		next = s.next
		if only != nil && s.http != only {
			continue
		}
		s.cut(reason.Stopping)
	}
}

// cut ends a connection and what it has under way. why is what is said of each of its exchanges.
func (s *session) cut(why reason.Reason) {
	s.evicted = why
	if s.streams != nil {
		for o := s.streams.open; o != nil; o = o.next {
			o.session.evicted = why
		}
		s.streams.via.Cut()
		return
	}
	s.conn.Interrupt()
	if s.x != nil && s.x.attempt.conn != nil {
		s.x.attempt.conn.Interrupt()
	}
}
