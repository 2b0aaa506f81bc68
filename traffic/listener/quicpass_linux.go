package listener

import (
	"os"
	"syscall"
)

// newSuccession makes a way between two processes: one end, and the descriptor of the other.
func newSuccession() (ours *quicSuccession, theirs int, err error) {
	// Not of datagrams, of which the system queues ten.
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, -1, os.NewSyscallError("socketpair", err)
	}
	const room = 4 << 20
	syscall.SetsockoptInt(pair[1], syscall.SOL_SOCKET, syscall.SO_SNDBUF, room)
	ours, err = successionOf(pair[0])
	if err != nil {
		syscall.Close(pair[1])
		return nil, -1, err
	}
	return ours, pair[1], nil
}
