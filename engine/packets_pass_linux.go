package engine

import (
	"net/netip"
	"os"
	"syscall"
)

// PacketSockets are the sockets of a listener for datagrams, by the order of Sockets.
func (ln *Listener) PacketSockets() []*PacketSocket { return ln.packets }

// Index is the socket's place among those of its listener.
func (s *PacketSocket) Index() int { return s.index }

// LocalAddr is the own address that the socket is bound to; it asks the system. Invalid if the socket is closed.
func (s *PacketSocket) LocalAddr() netip.AddrPort {
	if s.net != nil {
		return netAddrPort(s.net.LocalAddr())
	}
	sa, err := syscall.Getsockname(s.fd)
	if s.closed || err != nil {
		return netip.AddrPort{}
	}
	return addrPort(sa)
}

// Descriptor is what another process may be given; it stays the socket's.
func (s *PacketSocket) Descriptor() int { return s.fd }

// Rest leaves what comes in the socket, for Wake or for another process that has it. It can still be sent by. On its loop, not from a handler.
func (s *PacketSocket) Rest() { s.stopReading() }

// Wake has the socket read again. On its loop.
func (s *PacketSocket) Wake() error {
	if s.closed || !s.deaf {
		return nil
	}
	s.deaf = false
	return s.register()
}

// TakePackets makes a socket of a descriptor that another process has passed on, connected as it is, by whom nobody but its peer has ever
// been heard if hasOnePeer; h takes its datagrams. The descriptor is consumed.
func (l *Loop) TakePackets(fd int, hasOnePeer bool, h PacketHandler) (*PacketSocket, error) {
	syscall.CloseOnExec(fd)
	own, err := syscall.Getsockname(fd)
	if err == nil {
		err = syscall.SetNonblock(fd, true)
	}
	if err != nil {
		syscall.Close(fd)
		return nil, os.NewSyscallError("getsockname", err)
	}
	_, is6 := own.(*syscall.SockaddrInet6)
	s := &PacketSocket{loop: l, fd: fd, handler: h, is6: is6, counted: true, hasOnePeer: hasOnePeer}
	if err := s.register(); err != nil {
		syscall.Close(fd)
		return nil, err
	}
	l.Stats.Open++
	l.saysOpen()
	return s, nil
}
