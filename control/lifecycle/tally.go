package lifecycle

import (
	"net/netip"
	"sync"
	"time"

	"github.com/weir-proxy/weir/control/snapshot"
	"github.com/weir-proxy/weir/kernel/netfilter"
	"github.com/weir-proxy/weir/kernel/routing"
)

// tallyShare is how much longer a count is used than it took: reading what the kernel carries costs at most one part in so many of a processor's time, whoever asks how often.
const tallyShare = 20

// tally counts what the kernel carries.
type tally struct {
	mu      sync.Mutex // one reading at a time; guards the rest
	last    carried
	until   time.Time
	changes uint64 // of the tables, at the last reading
}

// carried is connections and flows that are open: from connection tracking, and from what direct return remembers.
type carried struct {
	to map[netfilter.Way]int // by service and server
	of map[string]int        // by listener
}

// carried counts what the kernel carries now, or was carrying a moment ago.
func (f *forwarding) carried(forwards []snapshot.Forward) carried {
	t := &f.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	f.mu.Lock()
	changes := f.changes
	f.mu.Unlock()
	began := time.Now()
	if began.Before(t.until) && changes == t.changes {
		return t.last
	}
	t.last, t.changes = f.readCarried(forwards), changes
	t.until = time.Now().Add(tallyShare * time.Since(began))
	return t.last
}

func (f *forwarding) readCarried(forwards []snapshot.Forward) carried {
	all := carried{map[netfilter.Way]int{}, map[string]int{}}
	listeners, isDirect := newListenerIndex(forwards)
	routing.EachCarried(func(c routing.Carried) {
		if service := listeners.at(c.UDP, c.Listen); service != "" {
			all.to[netfilter.Way{UDP: c.UDP, Service: service, Server: c.Server}]++
			all.of[listeners.services[service]]++
		}
	})
	if !isDirect {
		return all
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tables == nil {
		return all
	}
	flows, services, _ := f.tables.Flows()
	for w, n := range flows {
		all.to[w] += n
	}
	for service, n := range services {
		all.of[listeners.services[service]] += n
	}
	return all
}

// listenerIndex finds the service of an address, and the listener of a service.
type listenerIndex struct {
	services map[string]string // listeners by the names of their services
	natted   map[endpoint][]portsOfService
	found    map[endpointPort]string // the services that were looked for before
}

type endpoint struct {
	udp bool
	ip  netip.Addr
}

type endpointPort struct {
	udp bool
	at  netip.AddrPort
}

type portsOfService struct {
	ports   netfilter.PortRange
	service string
}

// newListenerIndex also reports whether there is a listener of direct return, whose connections are not tracked.
func newListenerIndex(forwards []snapshot.Forward) (x *listenerIndex, isDirect bool) {
	x = &listenerIndex{map[string]string{}, map[endpoint][]portsOfService{}, map[endpointPort]string{}}
	for i := range forwards {
		f := &forwards[i]
		isDirect = isDirect || f.Device != ""
		told, _ := services(f, anyHardware)
		for k := range told {
			s := &told[k]
			x.services[s.Name] = f.Listener
			if f.Device == "" {
				at := endpoint{s.UDP, s.Address}
				x.natted[at] = append(x.natted[at], portsOfService{s.Ports, s.Name})
			}
		}
	}
	return x, isDirect
}

// at is the service that takes what comes to an address: one of the address before one of all addresses; "" if there is none.
func (x *listenerIndex) at(udp bool, to netip.AddrPort) string {
	key := endpointPort{udp, to}
	name, known := x.found[key]
	if known {
		return name
	}
	any := netip.IPv6Unspecified()
	if to.Addr().Is4() {
		any = netip.IPv4Unspecified()
	}
	for _, ip := range []netip.Addr{to.Addr(), any} {
		for _, p := range x.natted[endpoint{udp, ip}] {
			if name == "" && p.ports.First <= to.Port() && to.Port() <= p.ports.Last {
				name = p.service
			}
		}
	}
	if len(x.found) < foundMost {
		x.found[key] = name
	}
	return name
}

// foundMost bounds what is remembered while one table is read: clients choose addresses of other people's rewritten connections.
const foundMost = 1 << 16

// anyHardware stands for hardware addresses that do not matter.
func anyHardware(string, netip.Addr) (none [6]byte, err error) { return none, nil }

// refused is how many connections and datagrams the kernel has refused for their client's address, by listener.
func (f *forwarding) refused(forwards []snapshot.Forward) map[string]uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tables == nil {
		return nil
	}
	services, _ := f.tables.CountRefused()
	all := map[string]uint64{}
	listeners, _ := newListenerIndex(forwards)
	for service, n := range services {
		all[listeners.services[service]] += n
	}
	return all
}
