package engine

import (
	"syscall"
	"unsafe"
)

func mayReadNow(c Conn) bool {
	bare, ok := c.(*epollConn)
	return ok && bare.readable && !bare.closed && bare.loop.moved < movedMost
}

func readNow(c Conn, parts [][]byte) int {
	if !mayReadNow(c) {
		return 0
	}
	bare := c.(*epollConn)
	n, errno := recvParts(bare.fd, parts)
	for errno == syscall.EINTR {
		n, errno = recvParts(bare.fd, parts)
	}
	if n <= 0 {
		bare.keepFailure(errno)
		bare.readable = errno != syscall.EAGAIN
		return 0
	}
	room := 0
	for _, p := range parts {
		room += len(p)
	}
	if n < room && !bare.peerDone && !bare.isUrgent {
		bare.readable = false
	}
	bare.loop.moved += n
	return n
}

func recvParts(fd int, parts [][]byte) (int, syscall.Errno) {
	var list [PartsMost]syscall.Iovec
	for i, p := range parts {
		list[i].Base = unsafe.SliceData(p)
		list[i].SetLen(len(p))
	}
	message := syscall.Msghdr{Iov: &list[0], Iovlen: uint64(len(parts))}
	n, _, errno := syscall.RawSyscall(syscall.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&message)), syscall.MSG_DONTWAIT)
	if errno != 0 {
		return -1, errno
	}
	return int(n), 0
}
