package engine

import (
	"errors"
	"os"
	"syscall"
)

// ErrNoSplice says that a connection's bytes cannot be moved by the kernel.
var ErrNoSplice = errors.New("no bare socket to splice")

const (
	spliceMove     = 1
	spliceNonblock = 2
	pipeSize       = 1 << 20 // the most an unprivileged process may ask for by default
	pipesKept      = 16
)

// pipe is the kernel buffer that splice goes through; kept per loop, empty when kept.
type pipe struct{ r, w, size int }

func (p pipe) close() {
	syscall.Close(p.r)
	syscall.Close(p.w)
}

func (l *Loop) pipe() (pipe, error) {
	if n := len(l.poller.pipes); n > 0 {
		p := l.poller.pipes[n-1]
		l.poller.pipes = l.poller.pipes[:n-1]
		return p, nil
	}
	if !l.engine.hasRoom() {
		return pipe{}, os.NewSyscallError("pipe2", syscall.EMFILE)
	}
	var fds [2]int
	if err := syscall.Pipe2(fds[:], syscall.O_NONBLOCK|syscall.O_CLOEXEC); err != nil {
		return pipe{}, os.NewSyscallError("pipe2", err)
	}
	l.HoldDescriptors(2)
	p := pipe{fds[0], fds[1], 64 << 10}
	if n, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(p.w), syscall.F_SETPIPE_SZ, pipeSize); errno == 0 {
		p.size = int(n)
	}
	return p, nil
}

// drop closes a pipe.
func (l *Loop) drop(p pipe) {
	p.close()
	l.HoldDescriptors(-2)
}

func (l *Loop) keepPipe(p pipe) {
	if len(l.poller.pipes) >= pipesKept {
		l.drop(p)
		return
	}
	l.poller.pipes = append(l.poller.pipes, p)
}

func canSplice(dst, src Conn) bool {
	_, a := dst.(*epollConn)
	_, b := src.(*epollConn)
	return a && b
}

func splice(dst, src Conn, n int64, wait bool) (moved int64, err error) {
	d, ok := dst.(*epollConn)
	s, ok2 := src.(*epollConn)
	if !ok || !ok2 {
		return 0, ErrNoSplice
	}
	l := d.loop
	p, err := l.pipe()
	if err != nil {
		return 0, ErrNoSplice
	}
	k, err := s.spliceOut(p, n, wait)
	if err != nil || k == 0 {
		l.keepPipe(p)
		return 0, err
	}
	if err := d.spliceIn(p, k); err != nil {
		l.drop(p) // it holds bytes that belong to nobody now
		return 0, &SpliceWriteError{err}
	}
	l.Stats.Spliced += uint64(k)
	l.keepPipe(p)
	return int64(k), nil
}

// spliceOut moves what the socket has into the pipe, at most n bytes.
func (c *epollConn) spliceOut(p pipe, n int64, wait bool) (int, error) {
	want := int(min(n, int64(p.size)))
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
			k, _, errno := syscall.RawSyscall6(syscall.SYS_SPLICE, uintptr(c.fd), 0, uintptr(p.w), 0, uintptr(want), spliceMove|spliceNonblock)
			switch {
			case errno == 0 && k == 0:
				return 0, c.end("splice")
			case errno == 0:
				c.loop.moved += int(k)
				return int(k), nil
			case errno == syscall.EAGAIN:
				c.readable = false
			case errno != syscall.EINTR:
				return 0, c.failed("splice", errno)
			}
			continue
		}
		if !wait {
			return 0, nil
		}
		if err := c.waitRead(); err != nil {
			return 0, err
		}
	}
}

// spliceIn moves n bytes from the pipe into the socket.
func (c *epollConn) spliceIn(p pipe, n int) error {
	pause := c.writeBy - c.loop.now
	for n > 0 {
		if c.closed {
			return ErrClosed
		}
		if !c.writable {
			if err := c.waitWrite(); err != nil {
				return err
			}
			continue
		}
		k, _, errno := syscall.RawSyscall6(syscall.SYS_SPLICE, uintptr(p.r), 0, uintptr(c.fd), 0, uintptr(n), spliceMove|spliceNonblock)
		switch {
		case errno == 0:
			n -= int(k)
			c.writeBy = c.loop.now + pause
		case errno == syscall.EAGAIN:
			c.writable = false
		case errno != syscall.EINTR:
			return c.failed("splice", errno)
		}
	}
	return nil
}
