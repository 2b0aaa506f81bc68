package listener

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// QUICPassed is the side of an address that takes HTTP/3, on its way from a process to the one that takes over. The connections stay with the one that has them;
// the other passes their packets on.
type QUICPassed struct {
	Socket     int      // the UDP socket
	Succession int      // the way to the process that has them
	Tags       [][]byte // of connection IDs whose packets go that way
}

// Pass makes what the process that takes over is given. The socket stays this one's; Succession is the caller's. Leave or Keep is next.
func (q *QUIC) Pass() (*QUICPassed, error) {
	p := &QUICPassed{Socket: -1}
	raw, err := q.socket.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { p.Socket = int(fd) })
	}
	if err != nil {
		return nil, err
	}
	for _, tag := range q.socket.tags() {
		p.Tags = append(p.Tags, tag[:])
	}
	if q.heir, p.Succession, err = newSuccession(); err != nil {
		return nil, err
	}
	return p, nil
}

// Leave has the process that takes over read the socket. Connections go on, and take from it what is theirs.
func (q *QUIC) Leave() { q.socket.leave(q.heir) }

// Keep says that the other process does not read the socket, after all. It undoes Leave.
func (q *QUIC) Keep() {
	if q.heir != nil {
		q.socket.keep()
		q.heir.conn.Close()
		q.heir = nil
	}
}

// PassesOn reports whether a process before this one still gets packets of its connections from here.
func (q *QUIC) PassesOn() bool { return q.socket.before.Load() != nil }

// open makes a socket of what was passed on, whose descriptors are consumed; nil of nothing.
func (p *QUICPassed) open() (*quicSocket, error) {
	if p == nil {
		return nil, nil
	}
	before := &predecessor{}
	for _, tag := range p.Tags {
		if len(tag) == quicTagSize {
			before.tags = append(before.tags, quicTag(tag))
		}
	}
	var err error
	if before.quicSuccession, err = successionOf(p.Succession); err != nil {
		syscall.Close(p.Socket)
		return nil, err
	}
	file := os.NewFile(uintptr(p.Socket), "quic")
	defer file.Close()
	c, err := net.FilePacketConn(file)
	if err == nil {
		if u, ok := c.(*net.UDPConn); ok {
			return newQUICSocket(u, before), nil
		}
		c.Close()
		err = errors.New("it is no UDP socket")
	}
	before.conn.Close()
	return nil, err
}

// Close closes what was passed on and is not used.
func (p *QUICPassed) Close() {
	syscall.Close(p.Socket)
	syscall.Close(p.Succession)
}
