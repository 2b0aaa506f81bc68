package engine

import (
	"io"
	"net/netip"
	"os"
	"runtime/debug"
	"syscall"
	"time"
	"unsafe"
)

// epollConn is a socket on a loop. Idle it is this struct and nothing else: no stack, no buffer. Owned by its loop.
type epollConn struct {
	// What a forwarded message needs of either end, in one line of the cache: of a thousand connections that talk in turn, each finds its own gone.
	loop        *Loop
	fd          int
	gen         int32
	readable    bool // bytes or the end may be there; false after a short read, until the next event
	writable    bool // false after EAGAIN, until the next event
	peerDone    bool // the peer has finished, so a short read is not the last
	isUrgent    bool // the peer has sent urgent data, at which a read stops: a short one is not the last
	hungUp      bool
	closed      bool
	interrupted bool
	isWatched   bool       // the system finds out when the peer has vanished
	isAccepted  bool       // opened by a client, and counted as such
	isTaken     bool       // its owner says whether it is spare
	sending     bool       // bytes wait to be sent to it together with others'
	forwarding  bool       // bytes that came by it are among those
	refills     uint8      // how often the send buffer had room again, counted up to refillsOfFast
	reader      *coroutine // parked in Read
	writer      *coroutine // parked in Write
	forwardTo   *epollConn // where what comes goes while handler, a Forwarder, waits; nil: handler is to look
	handler     Handler    // given back with Await

	outer   Conn // what handler is called with: this, or a layer around it
	watcher Watcher
	closer  Closer        // nil: nobody counts the connection
	failure syscall.Errno // of the connection; the system reports it once, and later reads would take it for the peer's end

	readBy, writeBy int64 // deadlines in ms of the loop's clock
	since           int64 // ms: when it was accepted
	timer           timer
	local, remote   netip.AddrPort
}

func (l *Loop) adopt(fd int, local, remote netip.AddrPort) (*epollConn, error) {
	c := &epollConn{loop: l, fd: fd, readable: true, writable: true, local: local, remote: remote}
	c.timer.owner = c
	c.readBy = l.now + millis(DefaultTimeout)
	c.writeBy = c.readBy
	if err := l.register(c); err != nil {
		syscall.Close(fd)
		return nil, err
	}
	return c, nil
}

func (c *epollConn) Loop() *Loop                     { return c.loop }
func (c *epollConn) RemoteAddr() netip.AddrPort      { return c.remote }
func (c *epollConn) SetReadTimeout(d time.Duration)  { c.readBy = c.loop.now + millis(d) }
func (c *epollConn) SetWriteTimeout(d time.Duration) { c.writeBy = c.loop.now + millis(d) }

func (c *epollConn) setEnds(local, remote netip.AddrPort) {
	if local.IsValid() {
		c.local = local
	}
	if remote.IsValid() {
		c.remote = remote
	}
}

func (c *epollConn) LocalAddr() netip.AddrPort {
	if !c.local.IsValid() && !c.closed {
		if sa, err := syscall.Getsockname(c.fd); err == nil {
			c.local = addrPort(sa)
		}
	}
	return c.local
}

func (c *epollConn) Read(p []byte) (int, error) {
	for {
		if c.loop.moved >= movedMost {
			if err := c.giveWay(); err != nil {
				return 0, err
			}
		}
		if c.closed {
			return 0, ErrClosed
		}
		if c.readable {
			n, errno := recvfrom(c.fd, p)
			switch {
			case n > 0:
				// A short read has emptied the socket; the next bytes come with an event of their own.
				if n < len(p) && !c.peerDone && !c.isUrgent {
					c.readable = false
				}
				c.loop.moved += n
				return n, nil
			case n == 0:
				return 0, c.end("recv")
			case errno == syscall.EAGAIN:
				c.readable = false
			case errno != syscall.EINTR:
				return 0, c.failed("recv", errno)
			}
			continue
		}
		if err := c.waitRead(); err != nil {
			return 0, err
		}
	}
}

// peek needs no more than edges: bytes that come after a look have an event of their own.
func (c *epollConn) peek(p []byte, seen int) (int, error) {
	for {
		if c.closed {
			return 0, ErrClosed
		}
		if c.readable {
			n, errno := recvFlags(c.fd, p, syscall.MSG_PEEK)
			switch {
			case n > seen:
				return n, nil
			case n == 0, n > 0 && c.peerDone:
				return n, c.end("recv")
			case n < 0 && errno == syscall.EINTR:
				continue
			case n < 0 && errno != syscall.EAGAIN:
				return 0, c.failed("recv", errno)
			}
			c.readable = false
		}
		if err := c.waitRead(); err != nil {
			c.readable = true
			return 0, err
		}
	}
}

// keepFailure records a failure of the connection. The system reports it to one call only; the next read returns no bytes, as at the peer's end. EPIPE is not recorded: the peer had
// finished before.
func (c *epollConn) keepFailure(errno syscall.Errno) {
	switch errno {
	case syscall.ECONNRESET, syscall.ECONNABORTED, syscall.ETIMEDOUT, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN:
		c.failure = errno
	}
}

// failed records errno and makes an error of it.
func (c *epollConn) failed(call string, errno syscall.Errno) error {
	c.keepFailure(errno)
	return os.NewSyscallError(call, errno)
}

// end is the error of a read that returned no bytes: the recorded failure, or io.EOF if the peer has finished.
func (c *epollConn) end(call string) error {
	if c.failure != 0 {
		return os.NewSyscallError(call, c.failure)
	}
	return io.EOF
}

func (c *epollConn) waitArrival() error {
	if c.closed {
		return ErrClosed
	}
	if c.readable {
		return nil
	}
	return c.waitRead()
}

// movedMost is what a coroutine may read before the other work of the loop gets its turn: a peer that is as fast as weir would never make
// it wait, and everybody else would.
const movedMost = 512 << 10

// giveWay lets the others go first. An interrupted connection ends here too, though it may never have to wait.
func (c *epollConn) giveWay() error {
	c.loop.Yield()
	if c.interrupted {
		return ErrInterrupted
	}
	return nil
}

func (c *epollConn) waitRead() error {
	if c.reader != nil {
		panic("BUG: two coroutines read from one connection")
	}
	if c.interrupted {
		return ErrInterrupted
	}
	if c.readBy <= c.loop.now {
		return ErrTimeout
	}
	c.reader = c.loop.current
	c.arm(c.readBy)
	why := c.loop.park()
	c.reader = nil
	return why.err()
}

func (c *epollConn) Write(p []byte) (int, error) {
	done := 0
	pause := c.writeBy - c.loop.now
	for {
		if c.closed {
			return done, ErrClosed
		}
		if c.writable {
			n, errno := c.send(p[done:])
			switch {
			case n > 0:
				done += n
				c.writeBy = c.loop.now + pause // the deadline bounds a pause: a slow peer may take as long as it takes something
			case errno == syscall.EAGAIN:
				c.writable = false
			case n < 0 && errno != syscall.EINTR:
				return done, c.failed("send", errno)
			}
			if done == len(p) {
				return done, nil
			}
			continue
		}
		if err := c.waitWrite(); err != nil {
			return done, err
		}
	}
}

// WriteBuffers sends both in one call, so that a large body need not be copied behind its head.
func (c *epollConn) WriteBuffers(a, b []byte) (int, error) {
	if c.closed || !c.writable || c.sending || len(a) == 0 || len(b) == 0 {
		return c.writeEach(a, b)
	}
	n, errno := sendBoth(c.fd, a, b)
	if errno != 0 {
		c.keepFailure(errno)
		n = 0 // the plain way says what is wrong, or waits
	}
	if n >= len(a) {
		m, err := c.writeRest(b[n-len(a):])
		return n + m, err
	}
	m, err := c.writeEach(a[n:], b)
	return n + m, err
}

func (c *epollConn) writeRest(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	return c.Write(b)
}

func (c *epollConn) writeEach(a, b []byte) (int, error) {
	n, err := c.writeRest(a)
	if err != nil {
		return n, err
	}
	m, err := c.writeRest(b)
	return n + m, err
}

func (c *epollConn) waitWrite() error {
	if c.writer != nil {
		panic("BUG: two coroutines write to one connection")
	}
	if c.interrupted {
		return ErrInterrupted
	}
	if c.writeBy <= c.loop.now {
		return ErrTimeout
	}
	c.writer = c.loop.current
	c.arm(c.writeBy)
	why := c.loop.park()
	c.writer = nil
	if c.isAccepted && c.refills < refillsOfFast {
		if c.refills++; c.refills == refillsOfFast {
			syscall.SetsockoptInt(c.fd, syscall.IPPROTO_TCP, tcpNotsentLowat, notsentFast)
		}
	}
	return why.err()
}

func (w wake) err() error {
	switch w {
	case wakeTimeout:
		return ErrTimeout
	case wakeInterrupted:
		return ErrInterrupted
	case wakeClosed:
		return ErrClosed
	}
	return nil
}

// arm makes sure that the wheel looks at c by the deadline. An entry that is filed earlier is left: it finds the new deadline
// when it runs, so a keep-alive connection files itself once a minute and not once a request.
func (c *epollConn) arm(by int64) {
	if c.timer.at == 0 || by < c.timer.at {
		c.loop.wheel.add(&c.timer, by)
	}
}

func (c *epollConn) expire(now int64) {
	by := int64(0)
	if c.reader != nil || c.handler != nil {
		switch {
		case c.readBy > now:
			by = c.readBy
		case c.hasCome():
			c.wakeReader(wakeReady)
		default:
			c.wakeReader(wakeTimeout)
		}
	}
	if c.writer != nil {
		if c.writeBy <= now {
			c.wakeWriter(wakeTimeout)
		} else if by == 0 || c.writeBy < by {
			by = c.writeBy
		}
	}
	if by != 0 && !c.closed {
		c.arm(by)
	}
}

// urgent has urgent data read in its place among the others, as Telnet and FTP have it (RFC 6093 section 3.1: "the semantics of the urgent mechanism … does not mean
// "out-of-band" data"). Sockets that were accepted do so already.
func (c *epollConn) urgent() {
	if !c.isUrgent {
		c.isUrgent = true
		rawSetInt(c.fd, syscall.SOL_SOCKET, syscall.SO_OOBINLINE, 1)
	}
}

// event takes what epoll says. Loop context.
func (c *epollConn) event(events uint32) {
	const ended = syscall.EPOLLRDHUP | syscall.EPOLLHUP | syscall.EPOLLERR
	if events&syscall.EPOLLPRI != 0 {
		c.urgent()
	}
	if events&(syscall.EPOLLIN|ended) != 0 {
		c.readable = true
	}
	change, isChange := Arrived, events&syscall.EPOLLIN != 0 && c.reader == nil && c.handler == nil
	if events&ended != 0 && !c.peerDone {
		c.peerDone = true
		change, isChange = Finished, true
	}
	if events&(syscall.EPOLLOUT|syscall.EPOLLHUP|syscall.EPOLLERR) != 0 {
		c.writable = true
		if events&(syscall.EPOLLHUP|syscall.EPOLLERR) != 0 && !c.hungUp {
			c.hungUp = true
			change, isChange = Gone, true
		}
	}
	if isChange && c.watcher != nil {
		c.tell(change)
	}
	if c.readable {
		if co := c.reader; co != nil {
			c.reader = nil
			co.wake = wakeReady
			c.loop.switchTo(co)
		} else if c.handler != nil && !c.forward() {
			h := c.handler
			c.handler = nil
			c.loop.start(h, c.outer, nil)
		}
	}
	if c.writable && !c.closed {
		if co := c.writer; co != nil {
			c.writer = nil
			co.wake = wakeReady
			c.loop.switchTo(co)
		}
	}
}

func (c *epollConn) wakeReader(why wake) {
	c.settleSends()
	if co := c.reader; co != nil {
		c.reader = nil
		c.loop.unpark(co, why)
	} else if h := c.handler; h != nil {
		c.handler = nil
		c.loop.spawned = append(c.loop.spawned, spawn{h: h, c: c.outer})
	}
}

func (c *epollConn) wakeWriter(why wake) {
	if co := c.writer; co != nil {
		c.writer = nil
		c.loop.unpark(co, why)
	}
}

func (c *epollConn) Await(h Handler) { c.await(h, c) }

func (c *epollConn) await(h Handler, outer Conn) {
	if c.closed {
		return
	}
	c.outer, c.forwardTo = outer, nil
	if c.readable && !c.isDrained() {
		c.loop.spawned = append(c.loop.spawned, spawn{h: h, c: outer})
		return
	}
	c.handler = h
	c.arm(c.readBy)
}

// isDrained settles whether a connection whose last read did not tell has bytes: one that filled its buffer, or was spliced. It is
// the one place that looks without taking, and no keep-alive request with its answer in one piece comes here.
func (c *epollConn) isDrained() bool {
	var one [1]byte
	n, errno := recvFlags(c.fd, one[:], syscall.MSG_PEEK)
	c.keepFailure(errno)
	if n >= 0 || errno != syscall.EAGAIN {
		return false
	}
	c.readable = false
	return true
}

// hasCome looks at the socket once more when the read deadline has passed: the loop may be late and have an event that it has not taken yet.
func (c *epollConn) hasCome() bool {
	c.readable = c.readable || !c.isDrained()
	return c.readable
}

// HasArrived reports whether bytes, or the end, wait in the socket of a connection that nobody reads from. It looks at bare sockets only;
// of what another layer holds it knows nothing.
func HasArrived(c Conn) bool {
	bare, ok := c.(*epollConn)
	return ok && !bare.closed && !bare.isDrained()
}

func (c *epollConn) Reclaim() bool {
	c.settleSends()
	if c.handler == nil || c.closed || c.readable {
		return false
	}
	c.handler = nil
	return true
}

// IsIdle needs no look: on a bare connection every event of an idle one is unasked bytes or the end.
func (c *epollConn) IsIdle() bool { return !c.closed && !c.readable && c.readBy > c.loop.now }

func (c *epollConn) Interrupt() {
	c.interrupted = true
	c.wakeReader(wakeInterrupted)
	c.wakeWriter(wakeInterrupted)
}

func (c *epollConn) ClearInterrupt() { c.interrupted = false }

func (c *epollConn) Watch(w Watcher) {
	c.watcher = w
	switch {
	case w == nil:
	case c.hungUp:
		w.Changed(Gone)
	case c.peerDone:
		w.Changed(Finished)
	}
}

// tell tells the watcher. A panic in it is reported, and ends the connection alone. Loop context.
func (c *epollConn) tell(change Change) {
	defer func() {
		if r := recover(); r != nil {
			c.loop.panicked(r, debug.Stack())
			c.Close()
		}
	}()
	c.watcher.Changed(change)
}

// sendNow sends where there is room for all of p. A part of it would be worse than nothing: the connection is of no use then.
func (c *epollConn) sendNow(p []byte) bool {
	if c.closed || !c.writable || c.sending || c.writer != nil {
		return false
	}
	n, errno := sendto(c.fd, p)
	c.keepFailure(errno)
	if n > 0 && n < len(p) {
		c.Reset()
	}
	return n == len(p)
}

func (c *epollConn) IsGone() bool { return c.peerDone || c.closed }

func (c *epollConn) CloseWrite() error {
	if c.closed {
		return ErrClosed
	}
	c.settleSends()
	return rawShutdown(c.fd, syscall.SHUT_WR)
}

func (c *epollConn) Close() error {
	if c.closed {
		return nil
	}
	c.settleSends()
	c.closed = true
	l := c.loop
	l.wheel.remove(&c.timer)
	l.poller.conns[c.fd] = nil
	// The system takes a closed descriptor out of epoll by itself; a queued event of it fails the generation check.
	syscall.RawSyscall(syscall.SYS_CLOSE, uintptr(c.fd), 0, 0)
	l.Stats.Open--
	l.saysOpen()
	if c.isAccepted {
		l.accepted.Add(-1)
	}
	if c.closer != nil {
		c.closer.Closed(c.remote.Addr())
	}
	c.handler, c.forwardTo, c.watcher = nil, nil, nil
	if c.reader != nil && c.reader != l.current {
		c.wakeReader(wakeClosed)
	}
	if c.writer != nil && c.writer != l.current {
		c.wakeWriter(wakeClosed)
	}
	return nil
}

func (c *epollConn) Reset() error {
	if !c.closed {
		syscall.SetsockoptLinger(c.fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
	}
	return c.Close()
}

// recvfrom and sendto go past the file layer that read and write pass through (about 3 % of a request), without telling the
// scheduler: the sockets never block. Errors come back as n < 0.
func recvfrom(fd int, p []byte) (int, syscall.Errno) { return recvFlags(fd, p, 0) }

func recvFlags(fd int, p []byte, flags uintptr) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
		uintptr(len(p)), syscall.MSG_DONTWAIT|flags, 0, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(n), 0
}

func sendBoth(fd int, a, b []byte) (int, syscall.Errno) {
	parts := [2]syscall.Iovec{{Base: unsafe.SliceData(a)}, {Base: unsafe.SliceData(b)}}
	parts[0].SetLen(len(a))
	parts[1].SetLen(len(b))
	message := syscall.Msghdr{Iov: &parts[0], Iovlen: 2}
	n, _, errno := syscall.RawSyscall(syscall.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&message)),
		syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL)
	if errno != 0 {
		return -1, errno
	}
	return int(n), 0
}

func sendto(fd int, p []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
		uintptr(len(p)), syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(n), 0
}
