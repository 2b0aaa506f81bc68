package engine

import (
	"net/netip"
	"syscall"
	"unsafe"
)

// What opens a connection to a server, as raw calls: none of them waits, and the runtime's monitor would take the processor away from a loop whose connect
// takes 20 µs, which within a machine is the whole handshake.

func rawSocket(domain, kind int) (int, error) {
	fd, _, errno := syscall.RawSyscall(syscall.SYS_SOCKET, uintptr(domain), uintptr(kind|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC), 0)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

func rawSetInt(fd, level, option int, value int32) {
	syscall.RawSyscall6(syscall.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option), uintptr(unsafe.Pointer(&value)), unsafe.Sizeof(value), 0)
}

func rawSetString(fd, level, option int, value string) {
	syscall.RawSyscall6(syscall.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option), uintptr(unsafe.Pointer(unsafe.StringData(value))), uintptr(len(value)), 0)
}

func rawConnect(fd int, to netip.AddrPort) error {
	var name syscall.RawSockaddrInet6
	size := rawName(&name, to, !to.Addr().Unmap().Is4())
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&name)), uintptr(size)); errno != 0 {
		return errno
	}
	return nil
}

func rawShutdown(fd, how int) error {
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SHUTDOWN, uintptr(fd), uintptr(how), 0); errno != 0 {
		return errno
	}
	return nil
}
