//go:build !linux

package routing

import "net/netip"

// Rewritten is a server of connections whose destination the kernel has rewritten.
type Rewritten struct {
	UDP    bool
	Server netip.AddrPort
}

// Connections are none: no kernel forwards for weir here.
func Connections(map[Rewritten]bool) (map[Rewritten]int, error) { return nil, nil }
