package admin

import (
	"net"
	"sync"
	"sync/atomic"
)

// limited closes the connections above connectionMax at once, so that nobody can take all descriptors by way of the admin address.
func limited(l net.Listener) net.Listener { return &limitedListener{Listener: l} }

type limitedListener struct {
	net.Listener
	open atomic.Int32
}

// Accept returns the next connection for which there is room.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= connectionMax {
			return &limitedConn{Conn: c, open: &l.open}, nil
		}
		l.open.Add(-1)
		c.Close()
	}
}

type limitedConn struct {
	net.Conn
	open *atomic.Int32
	once sync.Once
}

// Close gives the place back.
func (c *limitedConn) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}
