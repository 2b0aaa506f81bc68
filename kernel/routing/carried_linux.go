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
	err = EachCarried(func(c Carried) {
		if isMeant(c) {
			list = append(list, c)
		}
	})
	return list, err
}

// EachCarried calls do for each connection and flow whose destination was rewritten, as ListCarried does. It reads all that connection tracking has.
func EachCarried(do func(Carried)) error {
	for _, family := range []uint8{syscall.AF_INET, syscall.AF_INET6} {
		err := eachTracked(family, func(c Carried, isOpen bool) {
			if c.Listen != c.Server && (c.UDP || isOpen) {
				do(c)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
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
