package engine

import (
	"runtime/debug"
	"syscall"
)

const (
	forwardMost = Buffer16K // bytes passed on at once; where there are more a coroutine takes over
	forwardRoom = 64 << 10  // for the bytes of a turn
)

// forwarding is a loop's room for bytes that go on in the turn in which they came. It is the same in every turn, so that it stays in the cache.
type forwarding struct {
	room   []byte
	used   int
	warmth int32 // nothing: a sum, so that reading is not left out
}

func awaitForward(c Conn, h Forwarder, to Conn) bool {
	src, ok := c.(*epollConn)
	dst, ok2 := to.(*epollConn)
	if !ok || !ok2 || src.loop != dst.loop {
		return false
	}
	src.await(h, src)
	src.forwardTo = dst
	if src.interrupted {
		src.wakeReader(wakeInterrupted)
	}
	return true
}

// forward passes on what has come on an awaited connection, and reports whether that was all there is to do. Loop context.
func (c *epollConn) forward() bool {
	to := c.forwardTo
	if to == nil {
		return false
	}
	l := c.loop
	f := &l.poller.forwarding
	if c.forwarding || to.sending || len(l.poller.sends) == togetherMost || f.used+forwardMost > forwardRoom {
		l.sendTogether()
	}
	if c.handler == nil {
		return true // it looks already
	}
	if c.peerDone || c.interrupted || to.closed || !to.writable {
		return false
	}
	if f.room == nil {
		f.room = make([]byte, forwardRoom)
	}
	n, errno := recvfrom(c.fd, f.room[f.used:f.used+forwardMost])
	switch {
	case n > 0:
	case errno == syscall.EAGAIN:
		c.readable = false
		return true
	default:
		c.keepFailure(errno)
		return false
	}
	c.readable = n == forwardMost || c.isUrgent
	p := f.room[f.used : f.used+n]
	if l.poller.uring == nil {
		s := sending{conn: to, src: c, p: p}
		s.n, s.errno = sendto(to.fd, p)
		to.keepFailure(s.errno)
		l.forwarded(&s)
		return true
	}
	f.used += (n + 63) &^ 63
	c.forwarding, to.sending = true, true
	l.poller.sends = append(l.poller.sends, sending{conn: to, src: c, p: p})
	return true
}

// forwarded settles bytes that were to go on.
func (l *Loop) forwarded(s *sending) {
	c := s.src
	c.forwarding = false
	n := max(0, s.n)
	if s.errno == syscall.EAGAIN {
		s.conn.writable = false
	}
	l.tell(c, n, s.p[n:])
	if c.handler != nil && (n < len(s.p) || c.readable && !c.isDrained()) {
		l.spawned = append(l.spawned, spawn{h: c.handler, c: c.outer})
		c.handler = nil
	}
}

// tell calls the handler. A panic in it is reported, and ends the connection alone.
func (l *Loop) tell(c *epollConn, n int, rest []byte) {
	defer l.catch(c)
	c.handler.(Forwarder).Forwarded(n, rest)
}

func (l *Loop) catch(c *epollConn) {
	r := recover()
	if r == nil {
		return
	}
	h := c.handler
	l.panicked(r, debug.Stack())
	c.Close()
	if p, ok := h.(interface{ Panicked() }); ok {
		p.Panicked()
	}
}

// warmBatch is how many events ahead warm looks.
const warmBatch = 16

// warm reads what forward will need of both ends, for each event without waiting for the one before: the memory answers all at once.
func (l *Loop) warm(events []syscall.EpollEvent) {
	sum := l.poller.forwarding.warmth
	for i := range events {
		fd := int(events[i].Fd)
		if fd >= len(l.poller.conns) {
			continue
		}
		if c := l.poller.conns[fd]; c != nil && c.forwardTo != nil {
			sum += c.forwardTo.gen
		}
	}
	l.poller.forwarding.warmth = sum
}
