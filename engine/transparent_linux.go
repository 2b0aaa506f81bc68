package engine

import (
	"net/netip"
	"os"
	"syscall"
	"unsafe"
)

// Socket options of the kernel's transparent proxying, the same for both families but for their level.
const (
	ipTransparent   = 19 // IP_TRANSPARENT
	ipv6Transparent = 75 // IPV6_TRANSPARENT
	originalDst     = 80 // SO_ORIGINAL_DST, IP6T_SO_ORIGINAL_DST
)

// setTransparent lets a socket have addresses that are not this machine's. It needs CAP_NET_ADMIN.
func setTransparent(fd, domain int) error {
	if domain == syscall.AF_INET6 {
		if err := syscall.SetsockoptInt(fd, syscall.IPPROTO_IPV6, ipv6Transparent, 1); err != nil {
			return os.NewSyscallError("setsockopt IPV6_TRANSPARENT", err)
		}
	}
	// A socket of IPv6 that takes IPv4 too needs both.
	err := syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, ipTransparent, 1)
	if domain == syscall.AF_INET6 {
		return nil
	}
	return os.NewSyscallError("setsockopt IP_TRANSPARENT", err)
}

// OriginalDestination is where a connection went before the kernel redirected it here (REDIRECT, DNAT); false if it was not. A system call.
func OriginalDestination(c Conn) (netip.AddrPort, bool) {
	bare, ok := c.(*epollConn)
	if !ok || bare.closed {
		return netip.AddrPort{}, false
	}
	var raw syscall.RawSockaddrAny
	for _, level := range [...]uintptr{syscall.IPPROTO_IP, syscall.IPPROTO_IPV6} {
		size := uint32(unsafe.Sizeof(raw))
		_, _, errno := syscall.RawSyscall6(syscall.SYS_GETSOCKOPT, uintptr(bare.fd), level, originalDst, uintptr(unsafe.Pointer(&raw)),
			uintptr(unsafe.Pointer(&size)), 0)
		if errno == 0 {
			return rawAddrPort(&raw), true
		}
	}
	return netip.AddrPort{}, false
}

// CanBeTransparent reports why this process cannot have sockets with addresses that are not this machine's.
func CanBeTransparent() error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer syscall.Close(fd)
	return setTransparent(fd, syscall.AF_INET)
}
