//go:build !linux

package routing

import "net/netip"

// ForgetFlows has nothing to do here: no kernel forwards for weir.
func ForgetFlows(service netip.Addr, first, last uint16, server netip.AddrPort) error { return nil }

// ForgetUnrewritten has nothing to forget here.
func ForgetUnrewritten(service netip.Addr, first, last uint16) error { return nil }
