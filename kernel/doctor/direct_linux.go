package doctor

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/weir-proxy/weir/kernel/netfilter"
	"github.com/weir-proxy/weir/kernel/routing"
)

// directReturn: frames are sent on to servers by their hardware addresses. What the servers' own settings are cannot be seen from here.
func directReturn(j *Job) (list []Finding) {
	for i := range j.Pools {
		p := &j.Pools[i]
		if p.Direct == "" {
			continue
		}
		if _, err := net.InterfaceByName(p.Direct); err != nil {
			list = append(list, fail("ip link, for the names that there are", "pool %s: this machine has no interface %s", p.Name, p.Direct))
			continue
		}
		list = append(list, elsewhere(p)...)
		for _, s := range p.Servers {
			if hardware, err := neighbour(p.Direct, s.Addr(), j.Patience); err != nil {
				list = append(list, fail(fmt.Sprintf("put the server into the network of %s, and weir's machine as well", p.Direct),
					"pool %s: server %v does not say its hardware address on %s", p.Name, s.Addr(), p.Direct))
			} else {
				list = append(list, ok("pool %s: server %v is %v on %s; it needs the listener's address on lo, with arp_ignore=1 and arp_announce=2", p.Name, s.Addr(), net.HardwareAddr(hardware[:]), p.Direct))
			}
		}
	}
	return list
}

// elsewhere finds the pool's listeners whose address the interface does not have. Only frames that come in by the interface are sent on: those of clients of another network come in
// by another one, and the machine refuses them, as no socket has the port. A router may also send the address's packets here, so that this is doubtful and not wrong.
func elsewhere(p *Pool) (list []Finding) {
	for _, at := range p.Listens {
		if has := whoHas(at); !slices.Contains(has, p.Direct) {
			says := "no interface has it"
			if len(has) > 0 {
				says = "it is an address of " + strings.Join(has, ", ")
			}
			list = append(list, doubt(fmt.Sprintf("ip address add %v dev %s, or have the router send its packets to this machine by %s", netip.PrefixFrom(at, at.BitLen()), p.Direct, p.Direct),
				"pool %s: the listener's address %v is not on %s (%s): clients whose packets come in by another interface are refused", p.Name, at, p.Direct, says))
		}
	}
	return list
}

// whoHas lists the interfaces that have an address.
func whoHas(at netip.Addr) (names []string) {
	links, _ := net.Interfaces()
	for i := range links {
		addresses, _ := links[i].Addrs()
		for _, a := range addresses {
			if n, is := a.(*net.IPNet); is && n.IP.Equal(at.AsSlice()) {
				names = append(names, links[i].Name)
			}
		}
	}
	return names
}

// neighbour asks, and waits for the answer.
func neighbour(device string, of netip.Addr, patience time.Duration) (hardware [6]byte, err error) {
	if patience == 0 {
		patience = time.Second
	}
	for by := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if hardware, err = routing.Neighbour(device, of); err == nil || time.Now().After(by) {
			return hardware, err
		}
	}
}

// keptTables: what on_stop: keep has left of a configuration that is not there any more goes on taking traffic.
func keptTables(*Job) (list []Finding) {
	kept, err := netfilter.ListKept()
	if err != nil {
		return nil // without the power to look; see privileges
	}
	for _, k := range kept {
		if len(k.Used) > 0 {
			list = append(list, ok("%s of %s takes traffic for %v, and goes on when weir (process %d) stops", k.Table, k.Config, k.Addresses, k.Used[0]))
			continue
		}
		list = append(list, ok("%s of %s takes traffic for %v, with or without weir; weir kernel remove %s takes it out", k.Table, k.Config, k.Addresses, k.Table))
	}
	return list
}
