package engine

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"time"
)

// Door is what listens for a doorway on goroutines.
type Door interface {
	net.Listener
	SetDeadline(t time.Time) error
}

func openDoor(at netip.AddrPort) (Door, error) {
	return net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
}

func (l *Loop) openDoorwayPortable(at netip.AddrPort) (*Doorway, error) {
	open := l.engine.config.Door
	if open == nil {
		open = openDoor
	}
	ln, err := open(at)
	if err != nil {
		return nil, err
	}
	return &Doorway{loop: l, at: netAddrPort(ln.Addr()), doorwaySocket: doorwaySocket{net: ln}}, nil
}

func (d *Doorway) acceptPortable(within time.Duration) (Conn, error) {
	d.net.SetDeadline(time.Now().Add(within))
	d.loop.portable.release()
	nc, err := d.net.Accept()
	d.loop.portable.acquire()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, ErrTimeout
	case errors.Is(err, net.ErrClosed):
		return nil, ErrClosed
	case err != nil:
		return nil, err
	}
	return newNetConnLocked(d.loop, nc), nil
}
