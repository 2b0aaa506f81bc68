//go:build !linux

package engine

import (
	"net/netip"
	"time"
)

type doorwaySocket struct{ net Door }

func (l *Loop) openDoorway(at netip.AddrPort, _ bool) (*Doorway, error) {
	return l.openDoorwayPortable(at)
}

func (d *Doorway) accept(within time.Duration) (Conn, error) { return d.acceptPortable(within) }

func (d *Doorway) shut() { d.net.Close() }
