//go:build !linux

package routing

import "net/netip"

// Neighbour is known on Linux only.
func Neighbour(string, netip.Addr) (hardware [6]byte, err error) { return hardware, errLinux }
