package filter

import (
	"net/netip"

	"github.com/gaissmai/bart"
)

// Networks is a set of address prefixes. Immutable.
type Networks struct{ table bart.Lite }

// NewNetworks makes the set; nil for none.
func NewNetworks(prefixes []netip.Prefix) *Networks {
	if len(prefixes) == 0 {
		return nil
	}
	n := &Networks{}
	for _, p := range prefixes {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		n.table.Insert(p.Masked())
	}
	return n
}

// Contains reports whether the address is in one of the prefixes. A nil set contains nothing.
func (n *Networks) Contains(a netip.Addr) bool { return n != nil && a.IsValid() && n.table.Contains(a) }

// Access says who is served: nobody in Deny, and if there is an Allow nobody else than those in it.
type Access struct{ Allow, Deny *Networks }

// Allows reports whether the client is served.
func (a *Access) Allows(client netip.Addr) bool {
	if a.Deny.Contains(client) {
		return false
	}
	return a.Allow == nil || a.Allow.Contains(client)
}
