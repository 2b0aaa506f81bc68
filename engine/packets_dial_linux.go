package engine

import (
	"net/netip"
	"os"
	"syscall"
)

// DialPackets opens a socket that is connected to a peer, whose datagrams h takes. It does not wait.
func (l *Loop) DialPackets(to netip.AddrPort, o PacketDial, h PacketHandler) (*PacketSocket, error) {
	if l.portable != nil {
		return l.dialPacketsPortable(to, h)
	}
	if !l.engine.hasRoom() {
		return nil, syscall.EMFILE
	}
	domain := domainOf(Address{IP: to})
	fd, err := newPacketSocket(domain)
	if err != nil {
		return nil, err
	}
	if err := o.bind(fd, domain); err != nil {
		syscall.Close(fd)
		return nil, err
	}
	if err := rawConnect(fd, to); err != nil {
		syscall.Close(fd)
		return nil, os.NewSyscallError("connect", err)
	}
	s := &PacketSocket{loop: l, fd: fd, handler: h, is6: domain == syscall.AF_INET6, counted: true, hasOnePeer: o.Source.Port() == 0}
	if err := s.register(); err != nil {
		syscall.Close(fd)
		return nil, err
	}
	l.Stats.Open++
	l.saysOpen()
	return s, nil
}

// bind gives a socket its own end. Several flows may have the same one, each to a peer of its own.
func (o *PacketDial) bind(fd, domain int) error {
	if o.Spoof {
		if err := setTransparent(fd, domain); err != nil {
			return err
		}
	}
	switch {
	case !o.Source.Addr().IsValid():
		return nil
	case o.Source.Port() == 0:
		return bindSource(fd, o.Source.Addr())
	}
	syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	_, sa := sockaddr(Address{IP: o.Source})
	return os.NewSyscallError("bind", syscall.Bind(fd, sa))
}
