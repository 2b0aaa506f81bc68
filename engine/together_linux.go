package engine

import "syscall"

// Small sends of a turn leave together, by one system call: who writes parks until all that was ready in the turn has run. A quarter of what a proxied
// request costs goes into single sends; each of them may wake the peer, which then takes the processor before the next one is made.

const (
	togetherGood = 16      // of coroutines, for which the turn is not waited for: more gain little, and every one holds a stack and a buffer
	togetherMost = 128     // sends in one call
	togetherSize = 8 << 10 // a larger one leaves at once: what it costs is its bytes
)

// sending is a send that waits for the others of its turn: a coroutine's, or of what came by src.
type sending struct {
	conn  *epollConn
	co    *coroutine
	src   *epollConn
	p     []byte
	n     int
	errno syscall.Errno
}

// errNotSent is what is said of a send that has not been tried.
const errNotSent = syscall.EINPROGRESS

// send sends what there is room for, as sendto does.
func (c *epollConn) send(p []byte) (int, syscall.Errno) {
	l := c.loop
	if l.current == nil {
		c.settleSends()
		return sendto(c.fd, p)
	}
	for c.sending {
		l.Yield() // what was there before comes first
	}
	if len(l.poller.sends) == togetherMost {
		l.sendTogether()
	}
	if c.closed || !c.writable {
		return -1, syscall.EINTR // the caller looks again
	}
	if l.poller.uring == nil || len(p) > togetherSize {
		return sendto(c.fd, p)
	}
	c.sending = true
	l.poller.sends = append(l.poller.sends, sending{conn: c, co: l.current, p: p})
	l.poller.writers++
	co := l.current
	l.park()
	return co.sent, co.errno
}

// sendTogether sends what waits and has who wrote it go on, in this turn.
func (l *Loop) sendTogether() {
	list := l.poller.sends
	if len(list) == 0 {
		return
	}
	l.poller.sends, l.poller.writers = l.poller.sendsSpare[:0], 0
	if len(list) == 1 {
		list[0].n, list[0].errno = sendto(list[0].conn.fd, list[0].p)
	} else {
		l.Stats.SendsTogether += uint64(len(list))
		l.Stats.SendCalls++
		if works := l.poller.uring.send(list); sendAgain(list) || !works {
			l.poller.uring.close()
			l.poller.uring = nil
		}
	}
	for i := range list {
		s := &list[i]
		s.conn.sending = false
		s.conn.keepFailure(s.errno) // now: a coroutine that reads from it may run before the one that has written
		if s.co == nil {
			l.forwarded(s)
		} else {
			s.co.sent, s.co.errno = s.n, s.errno
			l.unpark(s.co, wakeReady)
		}
		*s = sending{}
	}
	l.poller.sendsSpare, l.poller.forwarding.used = list[:0], 0
}

// sendAgain sends what the uring has not, whatever it names for that, each by a call of its own. A connection that has failed fails once more; one that
// has not shows that the uring is of no use here.
func sendAgain(list []sending) (uringFails bool) {
	for i := range list {
		s := &list[i]
		if s.errno == 0 || s.errno == syscall.EAGAIN || s.errno == syscall.EINTR {
			continue
		}
		n, errno := sendto(s.conn.fd, s.p)
		switch {
		case errno == 0 || errno == syscall.EAGAIN:
			uringFails = true
			s.n, s.errno = n, errno
		case s.errno == errNotSent:
			s.n, s.errno = n, errno
		}
	}
	return uringFails
}

// settleSends sends what waits to be sent to c, or came by it, before anything else becomes of it.
func (c *epollConn) settleSends() {
	if c.sending || c.forwarding {
		c.loop.sendTogether()
	}
}

func (l *Loop) hasSends() bool { return len(l.poller.sends) > 0 }

// relieve sends what waits, if that is enough, and has who wrote it go on. Loop context.
func (l *Loop) relieve() {
	if l.poller.writers >= togetherGood || len(l.poller.sends) >= togetherMost {
		l.sendTogether()
		l.finishRounds()
	}
}
