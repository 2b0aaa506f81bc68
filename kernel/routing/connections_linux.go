package routing

import (
	"fmt"
	"net/netip"
	"syscall"

	"github.com/vishvananda/netlink"
)

// Rewritten is a server of connections whose destination the kernel has rewritten.
type Rewritten struct {
	UDP    bool
	Server netip.AddrPort
}

// Connections counts the connections and flows of datagrams that connection tracking has to these servers. TCP connections that both sides have closed are not among them. It reads
// the whole table of a family, and needs CAP_NET_ADMIN.
func Connections(servers map[Rewritten]bool) (map[Rewritten]int, error) {
	all := map[Rewritten]int{}
	for _, family := range []netlink.InetFamily{syscall.AF_INET, syscall.AF_INET6} {
		if !anyOf(servers, family) {
			continue
		}
		list, err := netlink.ConntrackTableList(netlink.ConntrackTable, family)
		if err != nil {
			return nil, fmt.Errorf("connection tracking: %w", err)
		}
		for _, flow := range list {
			by, _ := netip.AddrFromSlice(flow.Reverse.SrcIP)
			to := Rewritten{flow.Forward.Protocol == syscall.IPPROTO_UDP, netip.AddrPortFrom(by.Unmap(), flow.Reverse.SrcPort)}
			if servers[to] && (to.UDP || flow.Forward.Protocol == syscall.IPPROTO_TCP && isOpen(flow)) {
				all[to]++
			}
		}
	}
	return all, nil
}

func anyOf(servers map[Rewritten]bool, family netlink.InetFamily) bool {
	for s := range servers {
		if s.Server.Addr().Is4() == (family == syscall.AF_INET) {
			return true
		}
	}
	return false
}

// isOpen reports whether a TCP connection is more than the memory of one: not TIME_WAIT or CLOSE.
func isOpen(flow *netlink.ConntrackFlow) bool {
	const timeWait, closed = 7, 8 // TCP_CONNTRACK_…
	tcp, known := flow.ProtoInfo.(*netlink.ProtoInfoTCP)
	return !known || tcp.State != timeWait && tcp.State != closed
}
