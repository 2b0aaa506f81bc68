package lifecycle

import (
	"errors"
	"net/netip"
	"slices"

	"github.com/weir-proxy/weir/control/snapshot"
	"github.com/weir-proxy/weir/kernel/netfilter"
	"github.com/weir-proxy/weir/kernel/routing"
	"github.com/weir-proxy/weir/traffic/attempt"
)

// end ends what the kernel carries of what is meant, and says how much that was. Both ends of a TCP connection get a reset when they next send something; a flow of datagrams finds
// another server, if its own is not in rotation any more.
func (f *forwarding) end(forwards []snapshot.Forward, e *attempt.Ending) (n int, err error) {
	meant := meantWays(forwards, e)
	if len(meant) == 0 {
		return 0, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tables == nil {
		return 0, nil
	}
	byClient := func(client netip.AddrPort) bool { return !e.Client.IsValid() || client.Addr() == e.Client }
	n, err = f.tables.EndFlows(func(client netip.AddrPort, to netfilter.Way) bool { return meant[to] != nil && byClient(client) })
	list, listed := routing.ListCarried(func(c routing.Carried) bool {
		if e.Tunnels && c.UDP || !byClient(c.Client) {
			return false
		}
		at := netfilter.Listen{UDP: c.UDP, IP: c.Listen.Addr(), Ports: netfilter.PortRange{First: c.Listen.Port(), Last: c.Listen.Port()}}
		listens := meant[netfilter.Way{UDP: c.UDP, Server: c.Server}]
		if listens == nil {
			listens = meant[netfilter.Way{UDP: c.UDP, Server: netip.AddrPortFrom(c.Server.Addr(), 0)}]
		}
		return slices.ContainsFunc(listens, at.Overlaps)
	})
	if err = errors.Join(err, listed); len(list) == 0 {
		return n, err
	}
	connections := make([]netfilter.Connection, len(list))
	for i, c := range list {
		connections[i] = netfilter.Connection(c)
	}
	// Refused first: between the two steps, a packet would be the beginning of another connection.
	return n + len(list), errors.Join(err, f.tables.End(connections), routing.ForgetCarried(list))
}

// meantWays are the ways to the servers that are meant, with the addresses that lead to them.
func meantWays(forwards []snapshot.Forward, e *attempt.Ending) map[netfilter.Way][]netfilter.Listen {
	meant := map[netfilter.Way][]netfilter.Listen{}
	for i := range forwards {
		f := &forwards[i]
		told, _ := services(f, anyHardware)
		for _, s := range f.Pool.Set().Servers {
			if len(e.Servers) > 0 && !slices.Contains(e.Servers, s) {
				continue
			}
			for k := range told {
				way := told[k].WayTo(&netfilter.Server{Address: serverAddress(s)})
				meant[way] = append(meant[way], listenOf(&told[k]))
			}
		}
	}
	return meant
}
