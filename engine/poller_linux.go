package engine

import (
	"syscall"
	"time"
	"unsafe"
)

const hasPoller = true

const (
	epollET    = 1 << 31
	eventBatch = 256 // events taken per wait: bounds a turn
	// A loop that had work within this time waits by raw system calls of at most rawWait. Waiting the usual way tells the
	// runtime's monitor thread each time, which cost 13 % of all CPU under load; after it the loop blocks the usual way
	// so that an idle weir uses no CPU.
	busyFor = 100 // ms
	rawWait = 10  // ms
	idleMax = 10_000
)

// poller is one epoll instance and what is registered there. Owned by its loop.
type poller struct {
	fd         int
	eventFD    int
	conns      []*epollConn // by descriptor
	accepts    map[int]*acceptor
	events     [eventBatch]syscall.EpollEvent
	pipes      []pipe
	packets    *packets // nil until there is a socket for datagrams
	uring      *uring   // nil: there is none, and every send is a call of its own
	sends      []sending
	sendsSpare []sending
	writers    int // of sends, those that a coroutine waits for
	forwarding forwarding
	gen        int32
}

func (l *Loop) openPoller() error {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	efd, _, errno := syscall.Syscall(syscall.SYS_EVENTFD2, 0, syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if errno != 0 {
		syscall.Close(fd)
		return errno
	}
	l.poller.fd, l.poller.eventFD = fd, int(efd)
	l.poller.accepts = map[int]*acceptor{}
	if !l.engine.config.SingleSends {
		l.poller.uring = openUring()
	}
	ev := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(efd)}
	return syscall.EpollCtl(fd, syscall.EPOLL_CTL_ADD, int(efd), &ev)
}

func (l *Loop) closePoller() {
	if l.portable != nil || l.poller.fd == 0 {
		return
	}
	for _, p := range l.poller.pipes {
		p.close()
	}
	if l.poller.uring != nil {
		l.poller.uring.close()
	}
	syscall.Close(l.poller.eventFD)
	syscall.Close(l.poller.fd)
}

var wakeWord = [8]byte{1}

// wakePoller ends the loop's wait. Any goroutine.
func (l *Loop) wakePoller() {
	syscall.Write(l.poller.eventFD, wakeWord[:])
}

// run is the loop. One round is a turn: wait, read the clock, handle events, run timers, finish what became ready.
func (l *Loop) run() {
	l.readClock()
	lastEvent, more := l.now, false
	for !l.stopped {
		n := l.wait(lastEvent, more)
		l.letDial()
		l.letStart()
		if n > 0 {
			if !l.isCalledAtRest(n, lastEvent) {
				lastEvent = l.now
			}
			l.turnAt.Store(l.now)
		}
		l.Stats.Turns++
		l.Stats.Events += uint64(n)
		for i := range n {
			if i%warmBatch == 0 {
				l.warm(l.poller.events[i:min(i+warmBatch, n)])
			}
			l.dispatch(&l.poller.events[i])
			l.relieve()
		}
		l.wheel.advance(l.now)
		more = l.finishTurn() || len(l.dialers) > 0 || len(l.starters) > 0
		if n > 0 || more {
			l.turnAt.Store(0)
		}
	}
}

// isCalledAtRest reports whether nothing has happened but that another goroutine calls an idle loop, as those do that look after it every few seconds: it stays idle.
func (l *Loop) isCalledAtRest(n int, lastEvent int64) bool {
	return n == 1 && l.now-lastEvent >= busyFor && int(l.poller.events[0].Fd) == l.poller.eventFD
}

// wait returns the number of events, and reads the clock. After a suspension, or a time without CPU, timers are due although the loop has not seen the events of
// that time. It polls once more then, so that no peer is taken for silent whose bytes have arrived.
func (l *Loop) wait(lastEvent int64, more bool) (n int) {
	if more {
		n = l.epollWait(0, true)
		l.readClock()
		return n
	}
	before, due := l.now, l.wheel.nextDue(l.now, idleMax)
	if l.now-lastEvent < busyFor {
		due = min(due, rawWait)
		n = l.epollWait(due, true)
	} else {
		n = l.epollWait(due, false)
	}
	if l.readClock(); n == 0 && l.now-before > due+lateBy {
		n = l.epollWait(0, true)
	}
	return n
}

const lateBy = 20 // ms after the time for which it waited, a loop counts as late

func (l *Loop) epollWait(ms int64, raw bool) int {
	events := unsafe.Pointer(&l.poller.events[0])
	var n uintptr
	var errno syscall.Errno
	if raw {
		n, _, errno = syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(l.poller.fd), uintptr(events), eventBatch, uintptr(ms), 0, 0)
	} else {
		n, _, errno = syscall.Syscall6(syscall.SYS_EPOLL_PWAIT, uintptr(l.poller.fd), uintptr(events), eventBatch, uintptr(ms), 0, 0)
	}
	if errno != 0 {
		if errno != syscall.EINTR {
			panic("BUG: epoll_pwait: " + errno.Error())
		}
		return 0
	}
	return int(n)
}

func (l *Loop) dispatch(ev *syscall.EpollEvent) {
	fd := int(ev.Fd)
	if fd < len(l.poller.conns) {
		// The generation tells an event of this connection from one of an earlier connection with the same descriptor.
		if c := l.poller.conns[fd]; c != nil && c.gen == ev.Pad {
			c.event(ev.Events)
			return
		}
	}
	if fd == l.poller.eventFD {
		var word [8]byte
		syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&word)), 8)
		for _, f := range l.posts.take() {
			l.Stats.Posted++
			l.runPosted(f)
		}
		return
	}
	if a := l.poller.accepts[fd]; a != nil && a.gen == ev.Pad {
		a.accept()
		return
	}
	if p := l.poller.packets; p != nil {
		if s := p.sockets[fd]; s != nil && s.gen == ev.Pad {
			s.readable()
		}
	}
}

// runPosted runs f; a panic in it is reported and ends nothing else.
func (l *Loop) runPosted(f func()) {
	defer func() {
		if r := recover(); r != nil {
			l.panicked(r, nil)
		}
	}()
	f()
}

// register adds the descriptor once, for everything, edge-triggered: no epoll_ctl is needed again in the connection's life.
func (l *Loop) register(c *epollConn) error {
	l.poller.gen++
	c.gen = l.poller.gen
	ev := syscall.EpollEvent{Fd: int32(c.fd), Pad: c.gen,
		Events: syscall.EPOLLIN | syscall.EPOLLPRI | syscall.EPOLLOUT | syscall.EPOLLRDHUP | epollET}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_CTL, uintptr(l.poller.fd), syscall.EPOLL_CTL_ADD, uintptr(c.fd),
		uintptr(unsafe.Pointer(&ev)), 0, 0)
	if errno != 0 {
		return errno
	}
	for c.fd >= len(l.poller.conns) {
		l.poller.conns = append(l.poller.conns, make([]*epollConn, max(64, len(l.poller.conns)))...)
	}
	l.poller.conns[c.fd] = c
	l.Stats.Open++
	l.saysOpen()
	return nil
}

func millis(d time.Duration) int64 { return int64(d / time.Millisecond) }
