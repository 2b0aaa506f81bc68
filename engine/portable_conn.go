package engine

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// netConn is a net.Conn under the contract of Conn. Fields are guarded by the loop's lock.
type netConn struct {
	closer      Closer // nil: nobody counts the connection
	loop        *Loop
	nc          net.Conn
	readBy      time.Time
	writeBy     time.Time
	interrupted bool
	closed      bool
	reading     bool // a read is in progress without the lock
	reclaiming  bool // Reclaim waits for reads to end
	writing     bool // a write is in progress without the lock

	failure error         // of the connection; the system reports it once, and later reads would take it for the peer's end
	settled chan struct{} // closed when the write in progress has returned; nil: nobody waits for that

	local  netip.AddrPort // in place of the socket's; invalid: those
	remote netip.AddrPort

	watcher Watcher
	ahead   chan struct{} // closed when the read ahead for the watcher ends; nil: there is none

	peeked    []byte // what was read and not taken yet: by a watch of the connection, or by Peek
	peekErr   error
	handler   Handler
	outer     Conn // what the handler is given: the connection, or what is around it
	watchDone chan struct{}
}

func newNetConn(l *Loop, nc net.Conn) *netConn {
	l.portable.acquire()
	defer l.portable.release()
	return newNetConnLocked(l, nc)
}

func newNetConnLocked(l *Loop, nc net.Conn) *netConn {
	l.Stats.Open++
	c := &netConn{loop: l, nc: nc}
	c.SetReadTimeout(DefaultTimeout)
	c.SetWriteTimeout(DefaultTimeout)
	return c
}

func (c *netConn) Loop() *Loop                     { return c.loop }
func (c *netConn) SetReadTimeout(d time.Duration)  { c.readBy = time.Now().Add(d) }
func (c *netConn) SetWriteTimeout(d time.Duration) { c.writeBy = time.Now().Add(d) }

func (c *netConn) LocalAddr() netip.AddrPort {
	if c.local.IsValid() {
		return c.local
	}
	return netAddrPort(c.nc.LocalAddr())
}

func (c *netConn) RemoteAddr() netip.AddrPort {
	if c.remote.IsValid() {
		return c.remote
	}
	return netAddrPort(c.nc.RemoteAddr())
}

func (c *netConn) setEnds(local, remote netip.AddrPort) {
	if local.IsValid() {
		c.local = local
	}
	if remote.IsValid() {
		c.remote = remote
	}
}

func netAddrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(interface{ AddrPort() netip.AddrPort }); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}

// peek reads what is missing behind what was read already.
func (c *netConn) peek(p []byte, seen int) (int, error) {
	for len(c.peeked) <= seen {
		if c.ahead != nil {
			c.join()
			continue
		}
		if c.peekErr != nil {
			return copy(p, c.peeked), c.peekErr
		}
		n, err := c.read(p[len(c.peeked):])
		c.peeked = append(c.peeked, p[len(c.peeked):][:n]...)
		if err != nil {
			return copy(p, c.peeked), err
		}
	}
	return copy(p, c.peeked), nil
}

func (c *netConn) Read(p []byte) (int, error) {
	defer c.readAhead()
	if len(c.peeked) == 0 {
		c.join()
	}
	if len(c.peeked) > 0 {
		n := copy(p, c.peeked)
		c.peeked = c.peeked[n:]
		return n, nil
	}
	if c.peekErr != nil {
		return 0, c.peekErr
	}
	return c.read(p)
}

func (c *netConn) read(p []byte) (int, error) {
	if err := c.refuse(); err != nil {
		return 0, err
	}
	n, err := c.readUntil(c.readBy, p)
	if c.isLate(err) {
		n, err = c.readUntil(time.Now().Add(lookFor), p)
	}
	if n > 0 {
		return n, nil
	}
	return 0, c.reason(c.end(err))
}

func (c *netConn) readUntil(deadline time.Time, p []byte) (n int, err error) {
	c.nc.SetReadDeadline(deadline)
	c.reading = true
	c.loop.portable.release()
	n, err = c.nc.Read(p)
	c.loop.portable.acquire()
	c.reading = false
	return n, err
}

// A read that returns more than lateRead after its deadline is tried once more, for lookFor: weir itself may be late, and package net checks the deadline before the socket.
const (
	lateRead = 5 * time.Millisecond
	lookFor  = time.Millisecond
)

// isLate reports whether a read that returned err is to be tried once more.
func (c *netConn) isLate(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) && c.refuse() == nil && time.Since(c.readBy) > lateRead
}

// keepFailure records a failure of the connection, which the system reports only once. EPIPE is not recorded: the peer had finished before.
func (c *netConn) keepFailure(err error) {
	var errno syscall.Errno
	if errors.As(err, &errno) && errno != syscall.EPIPE {
		c.failure = err
	}
}

// end is what a read returns that ended with err: in place of io.EOF the recorded failure, if there is one. A write in progress may just have got that failure, so it is waited for; its
// deadline is moved so that it returns at once, and it goes on afterwards.
func (c *netConn) end(err error) error {
	if err != io.EOF {
		c.keepFailure(err)
		return err
	}
	if c.writing && !c.closed {
		if c.settled == nil {
			c.settled = make(chan struct{})
		}
		settled := c.settled
		c.nc.SetWriteDeadline(time.Unix(1, 0))
		c.loop.portable.release()
		<-settled
		c.loop.portable.acquire()
	}
	if c.failure != nil {
		return c.failure
	}
	return err
}

func (c *netConn) Write(p []byte) (int, error) {
	if err := c.refuse(); err != nil {
		return 0, err
	}
	done, pause := 0, time.Until(c.writeBy)
	for {
		n, err, isAsked := c.writeSome(p[done:])
		done += n
		if done == len(p) || !errors.Is(err, os.ErrDeadlineExceeded) || n == 0 && !isAsked || c.refuse() != nil {
			return done, c.reason(err)
		}
		if n > 0 {
			c.SetWriteTimeout(pause) // the deadline bounds a pause, and something was taken
		}
	}
}

// writeSome writes until the deadline. isAsked reports that a read has moved the deadline, to wait for this write.
func (c *netConn) writeSome(p []byte) (n int, err error, isAsked bool) {
	c.nc.SetWriteDeadline(c.writeBy)
	c.writing = true
	c.loop.portable.release()
	n, err = c.nc.Write(p)
	c.loop.portable.acquire()
	c.writing = false
	c.keepFailure(err)
	if isAsked = c.settled != nil; isAsked {
		close(c.settled)
		c.settled = nil
	}
	return n, err, isAsked
}

func (c *netConn) WriteBuffers(a, b []byte) (int, error) {
	n, err := c.Write(a)
	if err != nil {
		return n, err
	}
	m, err := c.Write(b)
	return n + m, err
}

func (c *netConn) refuse() error {
	switch {
	case c.closed:
		return ErrClosed
	case c.interrupted:
		return ErrInterrupted
	}
	return nil
}

func (c *netConn) reason(err error) error {
	switch {
	case err == nil:
		return nil
	case c.closed:
		return ErrClosed
	case c.interrupted:
		return ErrInterrupted
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ErrTimeout
	}
	return err
}

func (c *netConn) Await(h Handler) { c.await(h, c) }

// await watches the idle connection on a goroutine that reads ahead.
func (c *netConn) await(h Handler, outer Conn) {
	if c.closed {
		return
	}
	c.handler, c.outer = h, outer
	done := make(chan struct{})
	c.watchDone = done
	if c.peekErr == ErrTimeout {
		c.peekErr = nil // of a wait before this one
	}
	if len(c.peeked) > 0 || c.peekErr != nil {
		close(done)
		c.handler = nil
		go c.loop.portable.serve(h, outer)
		return
	}
	c.nc.SetReadDeadline(c.readBy)
	before := c.ahead
	go func() {
		if before != nil { // it may bring what the handler is to run for
			<-before
			c.loop.portable.acquire()
			if len(c.peeked) > 0 || c.peekErr != nil {
				close(done)
				run := c.handler != nil && !c.closed
				c.handler = nil
				c.loop.portable.release()
				if run {
					c.loop.portable.serve(h, outer)
				}
				return
			}
			c.loop.portable.release()
		}
		var ahead [aheadMost]byte
		n, err := c.nc.Read(ahead[:])
		c.loop.portable.acquire()
		if c.handler != nil && c.isLate(err) {
			c.nc.SetReadDeadline(time.Now().Add(lookFor)) // who reclaims it moves that
			c.loop.portable.release()
			n, err = c.nc.Read(ahead[:])
			c.loop.portable.acquire()
		}
		err = c.end(err)
		close(done)
		run := c.handler != nil && !c.closed
		if n > 0 {
			c.peeked = append(c.peeked, ahead[:n]...)
		} else if run {
			c.peekErr = c.reason(err)
		} else if !errors.Is(err, os.ErrDeadlineExceeded) {
			c.peekErr = err
		}
		c.handler = nil
		c.loop.portable.release()
		if run {
			c.loop.portable.serve(h, outer)
		}
	}()
}

// aheadMost is what a watch may read: more than a byte, or who is awaited after each short read would get its bytes one by one.
const aheadMost = 4 << 10

func (c *netConn) Reclaim() bool {
	if c.handler == nil || c.closed {
		return false
	}
	h, outer := c.handler, c.outer
	c.handler = nil
	c.nc.SetReadDeadline(time.Unix(1, 0))
	done := c.watchDone
	c.reclaiming = true
	c.loop.portable.release()
	<-done
	c.loop.portable.acquire()
	c.reclaiming = false
	if c.closed {
		return false
	}
	if len(c.peeked) > 0 || c.peekErr != nil { // it came while the watch was ended: it is the handler's still
		go c.loop.portable.serve(h, outer)
		return false
	}
	return true
}

func (c *netConn) IsIdle() bool { return !c.closed && len(c.peeked) == 0 && c.peekErr == nil }

func (c *netConn) Interrupt() {
	c.interrupted = true
	c.nc.SetDeadline(time.Unix(1, 0))
}

func (c *netConn) ClearInterrupt() { c.interrupted = false }

func (c *netConn) IsGone() bool { return c.closed || c.peekErr != nil && c.peekErr != ErrTimeout }

// Watch reads ahead while somebody watches: package net tells of an end only to who reads. It holds aheadMost bytes at most; an end behind more bytes than that is not noticed until
// they are read.
func (c *netConn) Watch(w Watcher) {
	c.watcher = w
	if w != nil && c.peekErr != nil && c.peekErr != ErrTimeout {
		w.Changed(changeOf(c.peekErr))
		return
	}
	c.readAhead()
}

func changeOf(err error) Change {
	if err == io.EOF {
		return Finished
	}
	return Gone
}

// readAhead begins to read for the watcher, if there is one and nobody else reads.
func (c *netConn) readAhead() {
	if c.watcher == nil || c.ahead != nil || c.reading || c.handler != nil || c.peekErr != nil || c.refuse() != nil || len(c.peeked) >= aheadMost {
		return
	}
	c.ahead = make(chan struct{})
	c.nc.SetReadDeadline(time.Now().Add(DefaultTimeout))
	room := aheadMost - len(c.peeked)
	go func() {
		var b [aheadMost]byte
		for room > 0 {
			n, err := c.nc.Read(b[:room])
			room = c.tookAhead(b[:n], err)
		}
	}()
}

// tookAhead keeps what was read ahead and tells the watcher. room is how much more to read, 0 to end. A deadline ends it for somebody who
// reads, awaits or interrupts, and deals with it.
func (c *netConn) tookAhead(b []byte, err error) (room int) {
	c.loop.portable.do(func() {
		c.peeked = append(c.peeked, b...)
		err = c.end(err)
		isLate := errors.Is(err, os.ErrDeadlineExceeded)
		isEnd := err != nil && !isLate && !c.closed
		if isEnd {
			c.peekErr = err
		}
		if !isEnd && c.watcher != nil && !c.reading && !c.reclaiming && c.handler == nil && c.refuse() == nil {
			room = aheadMost - len(c.peeked)
			c.nc.SetReadDeadline(time.Now().Add(DefaultTimeout))
		}
		if room == 0 {
			close(c.ahead)
			c.ahead = nil
		}
		if c.watcher == nil || c.closed || c.reading || c.handler != nil {
			return
		}
		if len(b) > 0 {
			c.watcher.Changed(Arrived)
		}
		if isEnd && c.watcher != nil {
			c.watcher.Changed(changeOf(err))
		}
	}, watched{c})
	return room
}

// watched ends a connection whose watcher has panicked.
type watched struct{ conn *netConn }

func (w watched) Panicked() { w.conn.Close() }

// join waits for what is being read ahead, until the deadline of reads.
func (c *netConn) join() {
	for c.ahead != nil && c.refuse() == nil {
		ahead := c.ahead
		c.nc.SetReadDeadline(c.readBy)
		c.reading = true
		c.loop.portable.release()
		<-ahead
		c.loop.portable.acquire()
		c.reading = false
	}
}

func (c *netConn) CloseWrite() error {
	if w, ok := c.nc.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}

func (c *netConn) atClose(w Closer) { c.closer = w }

func (c *netConn) Reset() error {
	if l, ok := c.nc.(interface{ SetLinger(sec int) error }); ok && !c.closed {
		l.SetLinger(0)
	}
	return c.Close()
}

func (c *netConn) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	c.handler, c.watcher = nil, nil
	c.loop.Stats.Open--
	if c.closer != nil {
		c.closer.Closed(c.RemoteAddr().Addr())
	}
	return c.nc.Close()
}
