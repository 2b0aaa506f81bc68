package routing

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/vishvananda/netlink"
)

// ListCarried lists what connection tracking has of connections and flows that are meant. TCP connections that both sides have closed are not among them. It needs CAP_NET_ADMIN.
func ListCarried(isMeant func(Carried) bool) (list []Carried, err error) {
	for _, family := range []netlink.InetFamily{syscall.AF_INET, syscall.AF_INET6} {
		flows, err := netlink.ConntrackTableList(netlink.ConntrackTable, family)
		if err != nil {
			return list, fmt.Errorf("connection tracking: %w", err)
		}
		for _, flow := range flows {
			if c, is := carriedOf(flow); is && (c.UDP || isOpen(flow)) && isMeant(c) {
				list = append(list, c)
			}
		}
	}
	return list, nil
}

// ForgetCarried has connection tracking forget these. What is not there any more is no error.
func ForgetCarried(list []Carried) error {
	all := forgotten{}
	families := map[netlink.InetFamily]bool{}
	for _, c := range list {
		all[c] = true
		if c.Client.Addr().Is4() {
			families[syscall.AF_INET] = true
		} else {
			families[syscall.AF_INET6] = true
		}
	}
	for family := range families {
		if _, err := netlink.ConntrackDeleteFilters(netlink.ConntrackTable, family, all); err != nil {
			return fmt.Errorf("connection tracking: %w", err)
		}
	}
	return nil
}

type forgotten map[Carried]bool

func (all forgotten) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	c, is := carriedOf(flow)
	return is && all[c]
}

// carriedOf reads an entry; is reports whether its destination was rewritten, and it is of TCP or UDP.
func carriedOf(flow *netlink.ConntrackFlow) (c Carried, is bool) {
	at := func(ip net.IP, port uint16) netip.AddrPort {
		a, _ := netip.AddrFromSlice(ip)
		return netip.AddrPortFrom(a.Unmap(), port)
	}
	there, back := &flow.Forward, &flow.Reverse
	c = Carried{there.Protocol == syscall.IPPROTO_UDP, at(there.SrcIP, there.SrcPort), at(there.DstIP, there.DstPort), at(back.SrcIP, back.SrcPort), at(back.DstIP, back.DstPort)}
	return c, c.Listen != c.Server && (c.UDP || there.Protocol == syscall.IPPROTO_TCP)
}
