package engine

import (
	"net/netip"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// doorwaySocket is a listening socket that is waited for as a connection is, or package net's.
type doorwaySocket struct {
	socket *epollConn
	net    Door
}

func (l *Loop) openDoorway(at netip.AddrPort, transparent bool) (*Doorway, error) {
	fd, err := listenSocket(Address{IP: at}, ListenConfig{Backlog: 8, exclusive: true, Transparent: transparent})
	if err != nil {
		return nil, err
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		syscall.Close(fd)
		return nil, os.NewSyscallError("getsockname", err)
	}
	c, err := l.adopt(fd, addrPort(sa), netip.AddrPort{})
	if err != nil {
		return nil, err
	}
	return &Doorway{loop: l, at: addrPort(sa), doorwaySocket: doorwaySocket{socket: c}}, nil
}

func (d *Doorway) accept(within time.Duration) (Conn, error) {
	if d.net != nil {
		return d.acceptPortable(within)
	}
	c := d.socket
	c.SetReadTimeout(within)
	for {
		if c.closed {
			return nil, ErrClosed
		}
		var raw syscall.RawSockaddrAny
		size := uint32(unsafe.Sizeof(raw))
		fd, _, errno := syscall.RawSyscall6(syscall.SYS_ACCEPT4, uintptr(c.fd), uintptr(unsafe.Pointer(&raw)), uintptr(unsafe.Pointer(&size)),
			syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0, 0)
		switch errno {
		case 0:
			return d.loop.adopt(int(fd), netip.AddrPort{}, rawAddrPort(&raw))
		case syscall.EINTR, syscall.ECONNABORTED:
			continue
		case syscall.EAGAIN:
		default:
			return nil, os.NewSyscallError("accept", errno)
		}
		c.readable = false
		if err := c.waitRead(); err != nil {
			return nil, err
		}
	}
}

func (d *Doorway) shut() {
	if d.net != nil {
		d.net.Close()
		return
	}
	d.socket.Close()
}
