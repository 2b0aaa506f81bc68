package routing

import "net/netip"

// Flows are those of datagrams to a service's address and ports.
type Flows struct {
	Service     netip.Addr // an unspecified one means all addresses of its family
	First, Last uint16
	Server      netip.AddrPort // that they go to; the zero value: this machine itself, since nothing rewrote their first datagram
}

// takes reports whether the flows are among those to an address of the service.
func (f *Flows) takes(to netip.AddrPort) bool {
	return f.First <= to.Port() && to.Port() <= f.Last && (f.Service == to.Addr() || f.Service.IsUnspecified() && f.Service.Is4() == to.Addr().Is4())
}

// flowIndex finds flows by their server, and those of this machine itself by the service's address.
type flowIndex struct {
	byServer  map[netip.AddrPort][]Flows
	byService map[netip.Addr][]Flows
}

func indexFlows(list []Flows) *flowIndex {
	x := &flowIndex{map[netip.AddrPort][]Flows{}, map[netip.Addr][]Flows{}}
	for _, f := range list {
		if f.Server.IsValid() {
			x.byServer[f.Server] = append(x.byServer[f.Server], f)
		} else {
			x.byService[f.Service] = append(x.byService[f.Service], f)
		}
	}
	return x
}

// has reports whether a flow to an address, which a server answers, is meant.
func (x *flowIndex) has(to, by netip.AddrPort) bool {
	lists := [][]Flows{x.byServer[by]}
	if by == to {
		any := netip.IPv6Unspecified()
		if to.Addr().Is4() {
			any = netip.IPv4Unspecified()
		}
		lists = append(lists, x.byService[to.Addr()], x.byService[any])
	}
	for _, list := range lists {
		for i := range list {
			if list[i].takes(to) {
				return true
			}
		}
	}
	return false
}
