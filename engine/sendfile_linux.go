package engine

import (
	"io"
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

// sysPreadv2 is not in package syscall; 0 on other machines, where everything counts as in memory.
var sysPreadv2 = map[string]uintptr{"amd64": 327, "arm64": 286, "riscv64": 286, "loong64": 286}[runtime.GOARCH]

const rwfNowait = 8

// sendFile sends by the system; done is false where it cannot.
func sendFile(conn Conn, w *Workers, f *os.File, offset, n int64) (sent int64, err error, done bool) {
	c, ok := conn.(*epollConn)
	if !ok {
		return 0, nil, false
	}
	fd := int(f.Fd())
	if !canSayInMemory(fd, offset) {
		return 0, nil, false // sendfile might make the loop wait
	}
	pause := c.writeBy - c.loop.now
	for n > 0 {
		if c.loop.moved >= movedMost {
			if err := c.giveWay(); err != nil {
				return sent, err, true
			}
		}
		piece := min(n, filePiece)
		if err := c.loop.fetch(w, f, offset, piece); err != nil {
			return sent, err, true
		}
		k, err := c.sendPiece(fd, offset, piece)
		if err != nil {
			return sent, err, true
		}
		c.loop.moved += int(k)
		c.writeBy = c.loop.now + pause
		sent, offset, n = sent+k, offset+k, n-k
	}
	return sent, nil, true
}

// sendPiece sends what the socket takes of n bytes; it waits until that is something.
func (c *epollConn) sendPiece(fd int, offset, n int64) (int64, error) {
	for {
		if c.closed {
			return 0, ErrClosed
		}
		if !c.writable {
			if err := c.waitWrite(); err != nil {
				return 0, err
			}
			continue
		}
		k, _, errno := syscall.RawSyscall6(syscall.SYS_SENDFILE, uintptr(c.fd), uintptr(fd), uintptr(unsafe.Pointer(&offset)), uintptr(n), 0, 0)
		switch {
		case errno == 0 && k == 0:
			return 0, io.ErrUnexpectedEOF // the file has become shorter
		case errno == 0:
			return int64(k), nil
		case errno == syscall.EAGAIN:
			c.writable = false
		case errno != syscall.EINTR:
			return 0, c.failed("sendfile", errno)
		}
	}
}

// fetch has a worker bring a piece of a file into memory that is not there: sendfile would make the whole loop wait for the disk.
func (l *Loop) fetch(w *Workers, f *os.File, offset, n int64) error {
	fd := int(f.Fd())
	if isInMemory(fd, offset) && isInMemory(fd, offset+n-1) {
		return nil
	}
	return l.Block(w, nil, func() {
		syscall.Syscall(syscall.SYS_READAHEAD, uintptr(fd), uintptr(offset), uintptr(n))
		var last [1]byte
		f.ReadAt(last[:], offset+n-1) // until it is there
	}, nil)
}

// canSayInMemory reports whether the file system says whether reading would wait. Those on a network, which are what may hang, often do not.
func canSayInMemory(fd int, offset int64) bool {
	return sysPreadv2 == 0 || preadNow(fd, offset) != syscall.EOPNOTSUPP
}

// isInMemory reports whether reading the byte would not wait; where the system cannot say, it counts as there.
func isInMemory(fd int, offset int64) bool {
	return sysPreadv2 == 0 || preadNow(fd, offset) != syscall.EAGAIN
}

// preadNow reads a byte if that does not wait.
func preadNow(fd int, offset int64) syscall.Errno {
	var one [1]byte
	iov := syscall.Iovec{Base: &one[0], Len: 1}
	_, _, errno := syscall.RawSyscall6(sysPreadv2, uintptr(fd), uintptr(unsafe.Pointer(&iov)), 1, uintptr(offset), 0, rwfNowait)
	return errno
}
