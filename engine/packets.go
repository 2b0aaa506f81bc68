package engine

import "net/netip"

// Packet is a datagram, or several from one peer that the system has put together.
type Packet struct {
	Data    []byte         // borrowed until the handler returns, or until what was sent with it is flushed, which is then
	Segment int            // the size of each datagram in Data but the last; 0: it is one
	From    netip.AddrPort // the peer; invalid where it is the only one that the socket has
	Local   netip.Addr     // the own address that it came to; invalid where it is the socket's
	Port    uint16         // that it was sent to, where the kernel has captured it; 0: the socket's
}

// PacketDial is how a connected socket is made.
type PacketDial struct {
	Source netip.AddrPort // the own end; port 0 leaves it to the system, as an invalid address does both
	Spoof  bool           // Source is somebody else's: needs CAP_NET_ADMIN, and that what comes back is routed to this machine
}

// Count is the number of datagrams.
func (p *Packet) Count() int {
	if p.Segment <= 0 || len(p.Data) <= p.Segment {
		return 1
	}
	return (len(p.Data) + p.Segment - 1) / p.Segment
}

// PacketHandler takes what comes by a socket. It is called on the socket's loop, outside of any coroutine: it must not wait. It borrows the
// packets.
type PacketHandler interface {
	Packets(s *PacketSocket, packets []Packet)
	// Refused says that the peer of a connected socket cannot be reached, as its machine or the way to it has told.
	Refused(s *PacketSocket, err error)
}

// PacketStats are what a loop counts of datagrams.
type PacketStats struct {
	Received    uint64 // datagrams
	Sent        uint64
	Dropped     uint64 // that the system took none of: its buffers are full, or there is no way
	ReceiveCall uint64 // system calls
	SendCalls   uint64
}
