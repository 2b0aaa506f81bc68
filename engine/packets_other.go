//go:build !linux

package engine

import (
	"errors"
	"net/netip"
)

// PacketSocket is a UDP socket on a loop, one that listens or one that is connected to a peer. Owned by its loop.
type PacketSocket struct {
	loop    *Loop
	handler PacketHandler
	closed  bool

	portableSocket
}

// ListenPackets listens for datagrams on the first loop. Not from a loop.
func (e *Engine) ListenPackets(address Address, config ListenConfig, handler func(l *Loop) PacketHandler) (*Listener, error) {
	return e.listenPacketsPortable(address, handler)
}

// DialPackets opens a socket that is connected to a peer, whose datagrams h takes.
func (l *Loop) DialPackets(to netip.AddrPort, _ PacketDial, h PacketHandler) (*PacketSocket, error) {
	return l.dialPacketsPortable(to, h)
}

// Send sends a packet; to is invalid for the peer of a connected socket.
func (s *PacketSocket) Send(to netip.AddrPort, local netip.Addr, data []byte, segment int) {
	if !s.closed {
		s.sendPortable(to, data, segment)
	}
}

// SendBehind sends the datagrams of a packet to the peer of a connected socket, each behind the bytes of head.
func (s *PacketSocket) SendBehind(head, data []byte, segment int) {
	if !s.closed {
		s.sendPortableBehind(head, data, segment)
	}
}

// IsFlooded is false: the system's queue is not seen here.
func (s *PacketSocket) IsFlooded() bool { return false }

// Skipped has no effect here.
func (s *PacketSocket) Skipped() {}

// Flush has nothing to do here: what is sent goes out at once.
func (s *PacketSocket) Flush() {}

// Close ends the use of the socket.
func (s *PacketSocket) Close() {
	if !s.closed {
		s.closePortable()
	}
}

// PacketSockets are none that could be given away.
func (ln *Listener) PacketSockets() []*PacketSocket { return nil }

// Index is 0: there is one socket.
func (s *PacketSocket) Index() int { return 0 }

// LocalAddr is the own address that the socket is bound to.
func (s *PacketSocket) LocalAddr() netip.AddrPort { return netAddrPort(s.net.LocalAddr()) }

// Descriptor cannot be had here.
func (s *PacketSocket) Descriptor() int { return -1 }

// Rest does nothing: no other process takes over on this system.
func (s *PacketSocket) Rest() {}

// Wake does nothing.
func (s *PacketSocket) Wake() error { return nil }

// TakePackets cannot be done here.
func (l *Loop) TakePackets(int, bool, PacketHandler) (*PacketSocket, error) {
	return nil, errors.ErrUnsupported
}

// Loop is whose it is.
func (s *PacketSocket) Loop() *Loop { return s.loop }
