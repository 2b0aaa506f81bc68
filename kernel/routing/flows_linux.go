package routing

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/vishvananda/netlink"
)

// ForgetFlows has the kernel forget which way these flows of datagrams go, so that the next datagram of each finds another one. It reads all that connection tracking has, once
// for however many services, and needs CAP_NET_ADMIN.
func ForgetFlows(list []Flows) (err error) {
	x, families := indexFlows(list), map[netlink.InetFamily]bool{}
	for i := range list {
		if list[i].Service.Is4() {
			families[syscall.AF_INET] = true
		} else {
			families[syscall.AF_INET6] = true
		}
	}
	for family := range families {
		if _, e := netlink.ConntrackDeleteFilters(netlink.ConntrackTable, family, x); e != nil {
			err = errors.Join(err, fmt.Errorf("flows of datagrams: %w", e))
		}
	}
	return err
}

// MatchConntrackFlow reports whether an entry is to be forgotten.
func (x *flowIndex) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	at := func(ip net.IP, port uint16) netip.AddrPort {
		a, _ := netip.AddrFromSlice(ip)
		return netip.AddrPortFrom(a.Unmap(), port)
	}
	return flow.Forward.Protocol == syscall.IPPROTO_UDP && x.has(at(flow.Forward.DstIP, flow.Forward.DstPort), at(flow.Reverse.SrcIP, flow.Reverse.SrcPort))
}
