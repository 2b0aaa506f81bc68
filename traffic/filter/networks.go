package filter

import (
	"net/netip"

	"github.com/gaissmai/bart"
)

// Networks is a set of address prefixes. IPv4 addresses and prefixes that come as IPv6 (::ffff:10.0.0.1) are the IPv4 ones they map, so
// that no rule is passed by spelling an address another way. Immutable.
type Networks struct {
	table    bart.Lite
	prefixes []netip.Prefix
}

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
		p = p.Masked()
		n.table.Insert(p)
		n.prefixes = append(n.prefixes, p)
	}
	return n
}

// Contains reports whether the address is in one of the prefixes. A nil set contains nothing.
func (n *Networks) Contains(a netip.Addr) bool {
	return n != nil && a.IsValid() && n.table.Contains(a.Unmap().WithZone(""))
}

// Covers reports whether every prefix of other lies in one of n.
func (n *Networks) Covers(other *Networks) bool {
	for _, o := range other.prefixes {
		if !n.coversPrefix(o) {
			return false
		}
	}
	return true
}

func (n *Networks) coversPrefix(o netip.Prefix) bool {
	for _, p := range n.prefixes {
		if p.Bits() <= o.Bits() && p.Contains(o.Addr()) {
			return true
		}
	}
	return false
}

// Prefixes are those of the set, masked. The caller must not change them.
func (n *Networks) Prefixes() []netip.Prefix {
	if n == nil {
		return nil
	}
	return n.prefixes
}

// Access says who is served: nobody in Deny, and if there is an Allow nobody else than those in it. Nil serves everybody.
type Access struct{ Allow, Deny *Networks }

// Allows reports whether the client is served.
func (a *Access) Allows(client netip.Addr) bool {
	if a == nil {
		return true
	}
	if a.Deny.Contains(client) {
		return false
	}
	return a.Allow == nil || a.Allow.Contains(client)
}
