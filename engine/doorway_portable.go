package engine

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"time"
)

func (l *Loop) openDoorwayPortable(at netip.AddrPort) (*Doorway, error) {
	ln, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
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
