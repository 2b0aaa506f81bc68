package engine

import (
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// uring hands the system many sends by one call (io_uring). None of them waits: what a socket has no room for comes back at once, so that
// when send returns nothing of what it was given is in use any more. Owned by its loop.
type uring struct {
	fd      int
	shared  []byte // what the system and the loop have in common
	entries []byte

	sqHead, sqTail *uint32
	sqMask         uint32
	sqes           []sqe
	cqHead, cqTail *uint32
	cqMask         uint32
	cqes           []cqe
}

// sqe and cqe are struct io_uring_sqe and io_uring_cqe of linux/io_uring.h, as far as a send needs them.
type sqe struct {
	opcode   uint8
	flags    uint8
	ioprio   uint16
	fd       int32
	off      uint64
	addr     uint64
	len      uint32
	msgFlags uint32
	userData uint64
	_        [3]uint64
}

type cqe struct {
	userData uint64
	res      int32
	flags    uint32
}

type uringParams struct {
	sqEntries, cqEntries, flags, sqThreadCPU, sqThreadIdle, features, wqFD uint32
	_                                                                      [3]uint32
	sq                                                                     struct {
		head, tail, mask, entries, flags, dropped, array, _ uint32
		_                                                   uint64
	}
	cq struct {
		head, tail, mask, entries, overflow, cqes, flags, _ uint32
		_                                                   uint64
	}
}

const (
	opSend       = 26         // IORING_OP_SEND
	singleMap    = 1          // IORING_FEAT_SINGLE_MMAP
	entriesAt    = 0x10000000 // IORING_OFF_SQES
	getEvents    = 1          // IORING_ENTER_GETEVENTS
	uringEntries = togetherMost
)

// openUring returns nil where there is none to be had: an old system, or one that does not allow it, as containers often do not.
func openUring() *uring {
	var p uringParams
	fd, _, errno := syscall.RawSyscall(unix.SYS_IO_URING_SETUP, uringEntries, uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil
	}
	r := &uring{fd: int(fd)}
	syscall.CloseOnExec(r.fd)
	if p.features&singleMap == 0 || !r.mapMemory(&p) {
		r.close()
		return nil
	}
	return r
}

func (r *uring) mapMemory(p *uringParams) bool {
	size := max(int(p.sq.array+4*p.sqEntries), int(p.cq.cqes)+int(p.cqEntries)*int(unsafe.Sizeof(cqe{})))
	var err error
	if r.shared, err = unix.Mmap(r.fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE); err != nil {
		return false
	}
	r.entries, err = unix.Mmap(r.fd, entriesAt, int(p.sqEntries)*int(unsafe.Sizeof(sqe{})), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return false
	}
	word := func(at uint32) *uint32 { return (*uint32)(unsafe.Pointer(&r.shared[at])) }
	r.sqHead, r.sqTail, r.sqMask = word(p.sq.head), word(p.sq.tail), *word(p.sq.mask)
	r.cqHead, r.cqTail, r.cqMask = word(p.cq.head), word(p.cq.tail), *word(p.cq.mask)
	r.sqes = unsafe.Slice((*sqe)(unsafe.Pointer(&r.entries[0])), p.sqEntries)
	r.cqes = unsafe.Slice((*cqe)(unsafe.Pointer(&r.shared[p.cq.cqes])), p.cqEntries)
	array := unsafe.Slice(word(p.sq.array), p.sqEntries)
	for i := range array {
		array[i] = uint32(i)
	}
	return true
}

func (r *uring) close() {
	if r.shared != nil {
		unix.Munmap(r.shared)
	}
	if r.entries != nil {
		unix.Munmap(r.entries)
	}
	syscall.Close(r.fd)
}

// send sends all of list, at most uringEntries, and says in each what became of it. False: the uring is of no use any more; what it has not taken is
// errNotSent.
func (r *uring) send(list []sending) bool {
	tail := *r.sqTail
	for i := range list {
		s := &list[i]
		s.n, s.errno = 0, errNotSent
		r.sqes[(tail+uint32(i))&r.sqMask] = sqe{opcode: opSend, fd: int32(s.conn.fd), addr: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(s.p)))), len: uint32(len(s.p)),
			msgFlags: syscall.MSG_DONTWAIT | syscall.MSG_NOSIGNAL, userData: uint64(i)}
	}
	atomic.StoreUint32(r.sqTail, tail+uint32(len(list)))
	for sent := 0; sent < len(list); {
		n, _, errno := syscall.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(len(list)-sent), 0, 0, 0, 0)
		if errno == syscall.EINTR {
			continue
		}
		if errno != 0 || n == 0 {
			atomic.StoreUint32(r.sqTail, atomic.LoadUint32(r.sqHead)) // what it has not taken it is not to take
			r.complete(list, sent)
			return false
		}
		sent += int(n)
	}
	r.complete(list, len(list))
	return true
}

// complete takes what is said of n sends. They have ended already, since none of them may wait; were one still under way, its bytes could not be
// given back.
func (r *uring) complete(list []sending, n int) {
	for head := *r.cqHead; n > 0; {
		if head == atomic.LoadUint32(r.cqTail) {
			syscall.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), 0, 1, getEvents, 0, 0)
			continue
		}
		c := &r.cqes[head&r.cqMask]
		s := &list[c.userData]
		s.n, s.errno = int(c.res), 0
		if c.res < 0 {
			s.n, s.errno = -1, syscall.Errno(-c.res)
		}
		head++
		n--
		atomic.StoreUint32(r.cqHead, head)
	}
}
