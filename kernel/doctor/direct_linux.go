package doctor

import (
	"fmt"
	"net"
	"net/netip"
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
