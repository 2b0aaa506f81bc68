package doctor

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/weir-proxy/weir/kernel/routing"
)

// devices are the interfaces that are up, but lo.
func devices() (names []string) {
	list, err := net.Interfaces()
	if err != nil {
		return nil
	}
	for _, d := range list {
		if d.Flags&net.FlagUp != 0 && d.Flags&net.FlagLoopback == 0 {
			names = append(names, d.Name)
		}
	}
	return names
}

// mtu: a packet that does not fit on is dropped, and the message that says so is often dropped too.
func mtu(j *Job) []Finding {
	if len(j.Captures) == 0 && !j.isTransparent() {
		return nil
	}
	least, most, where := 1<<30, 0, map[int][]string{}
	list, _ := net.Interfaces()
	for _, d := range list {
		if d.Flags&net.FlagUp != 0 && d.Flags&net.FlagLoopback == 0 {
			least, most = min(least, d.MTU), max(most, d.MTU)
			where[d.MTU] = append(where[d.MTU], d.Name)
		}
	}
	if least < most {
		return []Finding{doubt(fmt.Sprintf("ip link set %s mtu %d, or let ICMP \"fragmentation needed\" pass everywhere", where[most][0], least),
			"%s: %d, %s: %d: large packets that pass from one to the other are dropped", where[most][0], most, where[least][0], least)}
	}
	if most == 0 {
		return nil
	}
	return []Finding{ok("%d on all interfaces", most)}
}

// ports: each own address has a range of them for each server.
func ports(j *Job) (list []Finding) {
	each := routing.Ports()
	if each == 0 {
		return nil
	}
	for i := range j.Pools {
		p := &j.Pools[i]
		for _, a := range p.Sources {
			if !isOwn(a) {
				list = append(list, fail(fmt.Sprintf("ip address add %v dev %s", netip.PrefixFrom(a, a.BitLen()), firstOr(devices(), "eth0")), "pool %s: source %v is no address of this machine", p.Name, a))
			}
		}
		if room := each * max(1, len(p.Sources)); p.Most > room && !p.ByClient {
			list = append(list, doubt(fmt.Sprintf("sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\", or %d addresses in source", (p.Most+each-1)/each),
				"pool %s: %d connections to one server are allowed, and there are ports for %d", p.Name, p.Most, room))
		}
	}
	if len(list) == 0 {
		list = append(list, ok("%d for each server and own address", each))
	}
	return list
}

func firstOr(list []string, otherwise string) string {
	if len(list) > 0 {
		return list[0]
	}
	return otherwise
}

func isOwn(a netip.Addr) bool {
	list, _ := net.InterfaceAddrs()
	return slices.ContainsFunc(list, func(own net.Addr) bool { return strings.HasPrefix(own.String(), a.String()+"/") })
}

// sharedSubnet: a server that has the client in its own network answers it directly, past weir, and the client knows nothing of that connection.
func sharedSubnet(j *Job) (list []Finding) {
	if !j.isTransparent() {
		return nil
	}
	for i := range j.Pools {
		p := &j.Pools[i]
		for _, s := range p.Servers {
			if !p.ByClient {
				continue
			}
			network, device := networkOf(s.Addr())
			if network.IsValid() && len(devices()) == 1 {
				list = append(list, doubt(fmt.Sprintf("put servers and clients into different networks, or leave source: client out of pool %s", p.Name),
					"pool %s: clients in %v, the network of server %v on %s, get its answers past weir", p.Name, network, s, device))
			}
		}
	}
	if len(list) == 0 {
		list = append(list, ok("servers that see clients' addresses are not in this machine's only network"))
	}
	return list
}

// networkOf is the network of this machine's that an address is in, and its interface.
func networkOf(a netip.Addr) (netip.Prefix, string) {
	list, _ := net.Interfaces()
	for _, d := range list {
		addresses, _ := d.Addrs()
		for _, own := range addresses {
			if p, err := netip.ParsePrefix(own.String()); err == nil && p.Bits() < p.Addr().BitLen() && p.Contains(a) && d.Flags&net.FlagLoopback == 0 {
				return p.Masked(), d.Name
			}
		}
	}
	return netip.Prefix{}, ""
}

// towards is this machine's address on the way to another.
func towards(to netip.Addr) netip.Addr {
	routes, err := netlink.RouteGet(to.AsSlice())
	if err != nil || len(routes) == 0 {
		return netip.Addr{}
	}
	a, _ := netip.AddrFromSlice(routes[0].Src)
	return a.Unmap()
}

func family(a netip.Addr) int {
	if a.Unmap().Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}
