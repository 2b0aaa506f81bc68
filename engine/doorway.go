package engine

import (
	"net/netip"
	"time"
)

// Doorway is a port that is open for one connection, as those of FTP's data. Owned by its loop; all methods are called on it.
type Doorway struct {
	loop *Loop
	at   netip.AddrPort
	doorwaySocket
}

// OpenDoorway listens on an address; port 0 is any that is free. A transparent one may be at another machine's address, see ListenConfig.
func (l *Loop) OpenDoorway(at netip.AddrPort, transparent bool) (*Doorway, error) {
	if l.portable != nil {
		return l.openDoorwayPortable(at)
	}
	return l.openDoorway(at, transparent)
}

// At is where it listens.
func (d *Doorway) At() netip.AddrPort { return d.at }

// Accept waits for a connection; it parks. ErrTimeout after within, ErrClosed after Close.
func (d *Doorway) Accept(within time.Duration) (Conn, error) { return d.accept(within) }

// Close ends listening and wakes who waits. It may be called again.
func (d *Doorway) Close() { d.shut() }
