package site

import (
	"net/netip"
	"slices"

	"github.com/weir-proxy/weir/traffic/filter"
)

// Destinations are where a client may have wanted to go: an address of one of the networks, and a port of one of the ranges. What is empty takes all.
// Immutable.
type Destinations struct {
	Networks *filter.Networks
	Ports    []Ports
}

// Ports are those from First to Last.
type Ports struct{ First, Last uint16 }

func (d *Destinations) isAny() bool { return d.Networks == nil && len(d.Ports) == 0 }

func (d *Destinations) take(to netip.AddrPort) bool {
	if d.Networks != nil && !d.Networks.Contains(to.Addr().Unmap()) {
		return false
	}
	return len(d.Ports) == 0 || slices.ContainsFunc(d.Ports, func(p Ports) bool { return p.First <= to.Port() && to.Port() <= p.Last })
}

// covers reports whether d takes all that other takes; it may say no where the answer is yes.
func (d *Destinations) covers(other *Destinations) bool {
	if d.Networks != nil && (other.Networks == nil || !d.Networks.Covers(other.Networks)) {
		return false
	}
	return len(d.Ports) == 0 || len(other.Ports) > 0 && !slices.ContainsFunc(other.Ports, func(p Ports) bool {
		return !slices.ContainsFunc(d.Ports, func(mine Ports) bool { return mine.First <= p.First && p.Last <= mine.Last })
	})
}
