package lifecycle

import (
	"errors"
	"fmt"
	"hash/crc32"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/control/snapshot"
	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/kernel/netfilter"
	"github.com/weir-proxy/weir/kernel/routing"
	"github.com/weir-proxy/weir/traffic/pool"
)

// forwarding is what the kernel carries in weir's place.
type forwarding struct {
	kept string // under which name it outlives the process
	file string // the configuration

	mu      sync.Mutex // guards the rest: reloads, changes of servers and the status come from different goroutines
	tables  *netfilter.Forwarding
	told    []netfilter.Service
	leaving map[route]bool // the ways of datagrams that have left the rotation, and may still have flows
	changes uint64         // of told

	tally tally
}

// keptName tells configurations on one machine from each other.
func keptName(file string) string {
	return fmt.Sprintf("%s%08x", netfilter.KeptPrefix, crc32.ChecksumIEEE([]byte(file)))
}

// apply makes the kernel do what the snapshot says, with the servers that are well now. What is unchanged is not touched.
func (f *forwarding) apply(next *snapshot.Snapshot) (problems error) {
	forwards := next.Forwards
	f.mu.Lock()
	defer f.mu.Unlock()
	var want []netfilter.Service
	for i := range forwards {
		services, err := services(&forwards[i], routing.Neighbour)
		problems = errors.Join(problems, err)
		want = append(want, services...)
	}
	for _, at := range next.Own { // without servers: their traffic stays here
		want = append(want, netfilter.Service{Name: "own/" + at.String(), UDP: at.UDP, Address: at.IP, Ports: at.Ports})
	}
	before := f.told
	if f.tables == nil || !reflect.DeepEqual(want, f.told) {
		if f.tables == nil {
			f.tables = netfilter.OpenForwarding(f.kept, f.file)
		}
		if err := f.tables.Apply(want); err != nil {
			return err
		}
		f.told = want
		f.changes++
	}
	return errors.Join(problems, f.moveFlows(forwards, before, want))
}

// route is the way of datagrams from a service's address to a server.
type route struct {
	service netfilter.Listen
	server  netip.AddrPort
}

// moveFlows has the flows of datagrams leave servers that have left the rotation, for the next datagram to find another one. Those of a server that is drained stay for as long
// as it is that.
func (f *forwarding) moveFlows(forwards []snapshot.Forward, before, now []netfilter.Service) error {
	if f.leaving == nil {
		f.leaving = map[route]bool{}
	}
	for i := range before {
		if was := &before[i]; was.UDP && was.Direct == "" {
			for _, server := range was.Servers {
				f.leaving[route{listenOf(was), server.Address}] = true
			}
		}
	}
	move := unrewritten(before, now)
	for r := range f.leaving {
		switch {
		case serves(now, r):
		case isDrained(forwards, r.server):
			continue
		default:
			move = append(move, routing.Flows{Service: r.service.IP, First: r.service.Ports.First, Last: r.service.Ports.Last, Server: r.server})
		}
		delete(f.leaving, r)
	}
	if len(move) == 0 {
		return nil
	}
	return routing.ForgetFlows(move)
}

// unrewritten are the flows of datagrams to services that have a server, and had none before: those that began when weir carried them itself, when weir was not there, or when no
// server was well. The kernel would keep them at this machine for as long as their clients send.
func unrewritten(before, now []netfilter.Service) (list []routing.Flows) {
	had := map[string]bool{}
	for i := range before {
		had[before[i].Name] = takesFlows(&before[i])
	}
	for i := range now {
		if s := &now[i]; takesFlows(s) && !had[s.Name] {
			list = append(list, routing.Flows{Service: s.Address, First: s.Ports.First, Last: s.Ports.Last})
		}
	}
	return list
}

// takesFlows reports whether destinations of datagrams are rewritten for the service.
func takesFlows(s *netfilter.Service) bool {
	return s.UDP && s.Direct == "" && slices.ContainsFunc(s.Servers, func(o netfilter.Server) bool { return o.Weight > 0 })
}

func listenOf(s *netfilter.Service) netfilter.Listen {
	return netfilter.Listen{UDP: s.UDP, IP: s.Address, Ports: s.Ports}
}

// serves reports whether one of the services still goes that way.
func serves(services []netfilter.Service, r route) bool {
	for i := range services {
		if s := &services[i]; s.UDP && listenOf(s) == r.service {
			return slices.ContainsFunc(s.Servers, func(o netfilter.Server) bool { return o.Address == r.server })
		}
	}
	return false
}

// isDrained reports whether the server is there, well, and only to get nothing new.
func isDrained(forwards []snapshot.Forward, server netip.AddrPort) bool {
	for i := range forwards {
		set := forwards[i].Pool.Set()
		for _, s := range set.Servers {
			if serverAddress(s) == server && keepsFlows(set, s) {
				return true
			}
		}
	}
	return false
}

// count is what the kernel has counted.
func (f *forwarding) count() map[netfilter.Way]netfilter.Counted {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tables == nil {
		return nil
	}
	all, _ := f.tables.Count()
	return all
}

func (f *forwarding) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tables == nil {
		return nil
	}
	t := f.tables
	f.tables = nil
	return t.Close()
}

// neighbour finds the hardware address of a machine on an interface's network.
type neighbour func(device string, of netip.Addr) ([6]byte, error)

// services are one for each address of the listener, and family.
func services(f *snapshot.Forward, hardware neighbour) (list []netfilter.Service, problems error) {
	list = withoutServers(f)
	for i := range list {
		var err error
		if list[i].Servers, err = inRotation(f, list[i].Address.Is4(), hardware); err != nil {
			problems = errors.Join(problems, fmt.Errorf("listener %s: %w", f.Listener, err))
		}
	}
	return list, problems
}

// withoutServers are the services of the listener, whatever their servers are.
func withoutServers(f *snapshot.Forward) (list []netfilter.Service) {
	for _, at := range f.Address {
		families := []netip.Addr{at.IP}
		if !at.IP.IsValid() {
			families = []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
		}
		for _, ip := range families {
			list = append(list, netfilter.Service{Name: serviceName(f.Listener, ip, at), UDP: f.UDP, Address: ip, Ports: netfilter.PortRange{First: at.First, Last: at.Last},
				Hash: f.Hash, ByHost: f.ByHost, Hide: f.Hide, Direct: f.Device, Keep: f.Keep, Access: f.Access})
		}
	}
	return list
}

// kernelTakes is how the kernel takes what comes to an address; nil if it does not.
func kernelTakes(s *snapshot.Snapshot, a engine.Address) *snapshot.Forward {
	if a.Path != "" || s == nil {
		return nil
	}
	ip := a.IP.Addr().Unmap()
	for i := range s.Forwards {
		f := &s.Forwards[i]
		for _, at := range f.Address {
			// A socket of all addresses takes both families; the kernel has a service for each.
			isSame := at.IP == ip || (!ip.IsValid() || ip.IsUnspecified()) && (!at.IP.IsValid() || at.IP.IsUnspecified())
			if isSame && f.UDP == a.IsDatagram && at.First <= a.IP.Port() && a.IP.Port() <= at.Last {
				return f
			}
		}
	}
	return nil
}

func serviceName(listener string, ip netip.Addr, at config.Address) string {
	return fmt.Sprintf("%s/%v/%d-%d", listener, ip, at.First, at.Last)
}

// inRotation are the servers that new connections go to: those of the family that are up, not drained, and of the first priority of which there is one. With direct return
// those that are drained are among them, with no weight: nothing but these tables knows which flows they have.
func inRotation(f *snapshot.Forward, is4 bool, hardware neighbour) (list []netfilter.Server, problems error) {
	set := f.Pool.Set()
	first := set.First()
	add := func(s *pool.Server, weight int) {
		address := serverAddress(s)
		if address.Addr().Is4() != is4 {
			return
		}
		server := netfilter.Server{Name: s.Name, Address: address, Weight: weight}
		if f.Device != "" {
			var err error
			if server.Hardware, err = hardware(f.Device, address.Addr()); err != nil {
				problems = errors.Join(problems, err)
				return
			}
		}
		list = append(list, server)
	}
	for _, s := range first {
		add(s, set.Weight(s))
	}
	if f.Device != "" {
		for _, s := range set.Servers {
			if keepsFlows(set, s) && !slices.Contains(first, s) {
				add(s, 0)
			}
		}
	}
	return list, problems
}

// keepsFlows reports whether the server is there, well, and only to get nothing new.
func keepsFlows(set *pool.Set, s *pool.Server) bool {
	return s.Health() != pool.Down && set.State(s) == pool.Drained
}

func serverAddress(s *pool.Server) netip.AddrPort {
	return netip.AddrPortFrom(s.Address.AddrPort.Addr().Unmap(), s.Address.AddrPort.Port())
}

// forwardEvery is how often servers are looked at that have changed without a check's saying so: by the operator's word, a name's addresses, another hardware address.
const forwardEvery = 500 * time.Millisecond

// keepForwarding has the kernel follow the servers.
func (d *Daemon) keepForwarding() {
	timer := time.NewTimer(forwardEvery)
	defer timer.Stop()
	said := ""
	for {
		select {
		case <-d.quit:
			return
		case <-timer.C:
		case <-d.forwardNow:
		}
		running := d.running.Load()
		if running == nil || len(running.Forwards) == 0 {
			continue // until a reload, or a check, says that there is something
		}
		if d.left.Load() {
			continue // tables that are kept are the other process's now
		}
		timer.Reset(forwardEvery)
		text := ""
		if err := errors.Join(d.forwarding.apply(running), d.restoreForwarding()); err != nil {
			text = err.Error()
		}
		if text != said && text != "" {
			d.log.Warn("not everything is forwarded as the configuration has it", "error", text)
		}
		said = text
	}
}

// warnOfKept warns of tables that another configuration has left in the kernel, and that take traffic for addresses of this one.
func (d *Daemon) warnOfKept(next *snapshot.Snapshot) {
	kept, err := netfilter.ListKept()
	if err != nil {
		return // weir may not look: it has nothing to do with the kernel's tables
	}
	for _, k := range kept {
		if k.Kept == d.forwarding.kept {
			continue
		}
		for i := range next.Config.Listeners {
			l := &next.Config.Listeners[i]
			for _, at := range l.Address {
				if at.Unix == "" && takes(k.Addresses, at, l.Protocol == "udp") {
					d.log.Warn("the kernel takes traffic for an address of this configuration, by tables that another one has left; remove them by weir kernel remove",
						"table", k.Table, "config", k.Config, "listener", l.Name, "address", at.String())
				}
			}
		}
	}
}

func takes(kept []netfilter.Listen, at config.Address, udp bool) bool {
	families := []netip.Addr{at.IP}
	if !at.IP.IsValid() {
		families = []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
	}
	return slices.ContainsFunc(kept, func(k netfilter.Listen) bool {
		return slices.ContainsFunc(families, func(ip netip.Addr) bool {
			return k.Overlaps(netfilter.Listen{UDP: udp, IP: ip, Ports: netfilter.PortRange{First: at.First, Last: at.Last}})
		})
	})
}

// restoreForwarding puts back what somebody else has taken out of the kernel's tables.
func (d *Daemon) restoreForwarding() error {
	f := &d.forwarding
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tables == nil {
		return nil
	}
	restored, err := f.tables.Restore()
	if restored && err == nil {
		d.log.Warn("somebody else has changed the kernel's forwarding tables; they are as the configuration has them again")
	}
	return err
}

// servicesOf are the services of a pool, without their servers.
func servicesOf(forwards []snapshot.Forward, p *pool.Pool) (list []netfilter.Service) {
	for i := range forwards {
		if forwards[i].Pool == p {
			list = append(list, withoutServers(&forwards[i])...)
		}
	}
	return list
}

// Expected lists the tables that a weir with this configuration has in the kernel, and reports whether it has marked packets routed to this machine.
func Expected(cfg *config.Config, file string) (tables []netfilter.Expected, routes bool) {
	built, _ := snapshot.Build(cfg, nil, 1)
	if built == nil {
		return nil, false
	}
	for i := range built.Forwards {
		f := &built.Forwards[i]
		e := netfilter.Expected{Device: f.Device}
		if f.Keep {
			e.Kept = keptName(file)
		}
		told, _ := services(f, anyHardware)
		for k := range told {
			e.Addresses = append(e.Addresses, listenOf(&told[k]))
		}
		at := slices.IndexFunc(tables, func(o netfilter.Expected) bool { return o.Device == e.Device && o.Kept == e.Kept })
		if at < 0 {
			tables = append(tables, e)
		} else {
			tables[at].Addresses = append(tables[at].Addresses, e.Addresses...)
		}
	}
	return tables, built.Rules.Routes()
}
