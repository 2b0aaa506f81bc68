package engine

import (
	"fmt"
	"net/netip"
	"os"
	"syscall"
)

// awaitDial waits until l may begin to open another connection in its turn; false if nobody wants it any more.
func (l *Loop) awaitDial(givenUp *bool) bool {
	if l.dials < dialsMost {
		l.dials++
		return true
	}
	d := dialer{l.current, givenUp}
	l.dialers = append(l.dialers, d)
	l.park()
	return !d.isGivenUp()
}

// letDial begins a turn: those that have waited longest go on, and all whose connection nobody wants.
func (l *Loop) letDial() {
	l.dials = 0
	if len(l.dialers) == 0 {
		return
	}
	rest := l.dialers[:0]
	for _, d := range l.dialers {
		switch {
		case d.isGivenUp():
		case l.dials < dialsMost:
			l.dials++
		default:
			rest = append(rest, d)
			continue
		}
		l.unpark(d.coroutine, wakeReady)
	}
	clear(l.dialers[len(rest):])
	l.dialers = rest
}

// Dial connects to address; it parks until that is done.
func (l *Loop) Dial(address Address, options DialOptions) (Conn, error) {
	if l.portable != nil {
		return l.dialPortable(address, options)
	}
	if !l.awaitDial(options.GivenUp) {
		return nil, ErrInterrupted
	}
	if err := l.awaitDescriptor(options.Timeout, options.Heavy, options.GivenUp); err != nil { // last: all that waited for their turn behind a free one would take it
		return nil, err
	}
	l.Stats.Dialed++
	fd, err := l.socketFor(address, options)
	if err != nil {
		return nil, err
	}
	err = connect(fd, address)
	if err != nil && err != syscall.EINPROGRESS {
		syscall.Close(fd)
		return nil, os.NewSyscallError("connect", err)
	}
	c, adoptErr := l.adopt(fd, netip.AddrPort{}, address.IP)
	if adoptErr != nil {
		return nil, adoptErr
	}
	c.readable = false
	if err == nil {
		return c, nil
	}
	c.writable = false
	c.SetWriteTimeout(options.Timeout)
	if options.Pending != nil {
		*options.Pending = c
	}
	if err := c.waitWrite(); err != nil {
		c.Close()
		return nil, fmt.Errorf("connect: %w", err)
	}
	if !c.hungUp {
		return c, nil // a failure is an EPOLLERR
	}
	if e, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ERROR); err != nil || e != 0 {
		c.Close()
		return nil, os.NewSyscallError("connect", syscall.Errno(e))
	}
	return c, nil
}

// socketFor makes the socket that will be connected to the address.
func (l *Loop) socketFor(address Address, options DialOptions) (int, error) {
	domain := domainOf(address)
	fd, err := rawSocket(domain, syscall.SOCK_STREAM)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if address.Path == "" {
		rawSetInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
		if cc := l.engine.congestion(options.Congestion, address.IP.Addr()); cc != "" {
			rawSetString(fd, syscall.IPPROTO_TCP, syscall.TCP_CONGESTION, cc)
		}
	}
	if options.Spoof {
		err = setTransparent(fd, domain)
	}
	if err == nil && options.Source.IsValid() {
		err = bindSource(fd, options.Source)
	}
	if err != nil {
		syscall.Close(fd)
		return -1, err
	}
	return fd, nil
}

func connect(fd int, address Address) error {
	if address.Path != "" {
		return syscall.Connect(fd, &syscall.SockaddrUnix{Name: address.Path})
	}
	return rawConnect(fd, address.IP)
}

const ipBindAddressNoPort = 24

// bindSource gives the socket its own address. The port is left for connect to choose, which may give one to several connections as long as
// they go to different servers: bind alone would use one of the 28,000 for each.
func bindSource(fd int, source netip.Addr) error {
	syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, ipBindAddressNoPort, 1)
	_, sa := sockaddr(Address{IP: netip.AddrPortFrom(source, 0)})
	return os.NewSyscallError("bind", syscall.Bind(fd, sa))
}
