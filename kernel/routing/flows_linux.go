package routing

import (
	"fmt"
	"net/netip"
	"syscall"

	"github.com/vishvananda/netlink"
)

// ForgetFlows has the kernel forget which flows of datagrams go to a server from a service's address and ports, so that the next datagram of each finds another one. An
// unspecified IP of the service means all addresses. It needs CAP_NET_ADMIN.
func ForgetFlows(service netip.Addr, first, last uint16, server netip.AddrPort) error {
	family := netlink.InetFamily(syscall.AF_INET)
	if server.Addr().Unmap().Is6() {
		family = syscall.AF_INET6
	}
	if _, err := netlink.ConntrackDeleteFilters(netlink.ConntrackTable, family, flowsOf{service, first, last, server}); err != nil {
		return fmt.Errorf("flows to %s: %w", server, err)
	}
	return nil
}

// flowsOf matches the flows from a service's address to a server.
type flowsOf struct {
	service     netip.Addr
	first, last uint16
	server      netip.AddrPort
}

func (f flowsOf) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	to, _ := netip.AddrFromSlice(flow.Forward.DstIP)
	by, _ := netip.AddrFromSlice(flow.Reverse.SrcIP)
	return flow.Forward.Protocol == syscall.IPPROTO_UDP && flow.Forward.DstPort >= f.first && flow.Forward.DstPort <= f.last && flow.Reverse.SrcPort == f.server.Port() &&
		by.Unmap() == f.server.Addr().Unmap() && (f.service.IsUnspecified() || to.Unmap() == f.service.Unmap())
}

// ForgetUnrewritten has the kernel forget which flows of datagrams to a service's address and ports stay with this machine, since nothing rewrote their first datagram: their next
// one is looked at anew. An unspecified IP of the service means all addresses of its family. It needs CAP_NET_ADMIN.
func ForgetUnrewritten(service netip.Addr, first, last uint16) error {
	family := netlink.InetFamily(syscall.AF_INET)
	if service.Is6() {
		family = syscall.AF_INET6
	}
	if _, err := netlink.ConntrackDeleteFilters(netlink.ConntrackTable, family, unrewritten{service, first, last}); err != nil {
		return fmt.Errorf("flows to %s: %w", service, err)
	}
	return nil
}

// unrewritten matches the flows to a service's address that go to this machine itself.
type unrewritten struct {
	service     netip.Addr
	first, last uint16
}

func (u unrewritten) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	to, _ := netip.AddrFromSlice(flow.Forward.DstIP)
	by, _ := netip.AddrFromSlice(flow.Reverse.SrcIP)
	return flow.Forward.Protocol == syscall.IPPROTO_UDP && flow.Forward.DstPort >= u.first && flow.Forward.DstPort <= u.last &&
		by == to && flow.Reverse.SrcPort == flow.Forward.DstPort && (u.service.IsUnspecified() || to.Unmap() == u.service)
}
