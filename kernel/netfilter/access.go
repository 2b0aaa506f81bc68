package netfilter

import (
	"net/netip"
	"slices"
)

// Access is who may use a service: nobody in Deny, and if there is an Allow nobody else than those in it. The zero value lets everybody.
type Access struct{ Allow, Deny []netip.Prefix }

// IsOpen reports whether everybody may use the service.
func (a *Access) IsOpen() bool { return len(a.Allow)+len(a.Deny) == 0 }

// addressRange is the addresses from first to last.
type addressRange struct{ first, last netip.Addr }

// permitted is the ranges of a family's addresses that may use the service: in order, and with a gap between each two.
func (a *Access) permitted(is4 bool) (list []addressRange) {
	allowed := rangesOf(a.Allow, is4)
	if len(a.Allow) == 0 {
		all := netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		if is4 {
			all = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		}
		allowed = rangesOf([]netip.Prefix{all}, is4)
	}
	denied := rangesOf(a.Deny, is4)
	for _, r := range allowed {
		for len(denied) > 0 && denied[0].last.Less(r.first) {
			denied = denied[1:]
		}
		from, isLeft := r.first, true
		for _, d := range denied {
			if r.last.Less(d.first) {
				break
			}
			if from.Less(d.first) {
				list = append(list, addressRange{from, d.first.Prev()})
			}
			if from = d.last.Next(); !from.IsValid() || r.last.Less(from) {
				isLeft = false
				break
			}
		}
		if isLeft {
			list = append(list, addressRange{from, r.last})
		}
	}
	return list
}

// rangesOf is the prefixes of a family as ranges, in order; those that overlap or adjoin are one. Prefixes of IPv4 that come as IPv6 (::ffff:10.0.0.0/104) are the IPv4 ones that
// they map.
func rangesOf(prefixes []netip.Prefix, is4 bool) (list []addressRange) {
	for _, p := range prefixes {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		if p.Addr().Is4() == is4 {
			list = append(list, addressRange{p.Masked().Addr(), lastOf(p)})
		}
	}
	slices.SortFunc(list, func(a, b addressRange) int { return a.first.Compare(b.first) })
	merged := list[:0]
	for _, r := range list {
		if n := len(merged); n > 0 {
			before := &merged[n-1]
			if after := before.last.Next(); !after.IsValid() || !after.Less(r.first) {
				if before.last.Less(r.last) {
					before.last = r.last
				}
				continue
			}
		}
		merged = append(merged, r)
	}
	return merged
}

// lastOf is the last address of a prefix.
func lastOf(p netip.Prefix) netip.Addr {
	bytes := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < 8*len(bytes); i++ {
		bytes[i/8] |= 0x80 >> (i % 8)
	}
	last, _ := netip.AddrFromSlice(bytes)
	return last
}
