package lifecycle

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/control/snapshot"
	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/kernel/netfilter"
	"github.com/weir-proxy/weir/traffic/exchange"
	"github.com/weir-proxy/weir/traffic/listener"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/traffic/transport"
)

// gathering is what is copied from the loops. Written by one loop after the other, then read by whoever made it; never read when a
// loop did not answer.
type gathering struct {
	daemon       *Daemon
	running      *snapshot.Snapshot
	open         []*openListener // by name and address
	loops        []api.Loop
	counted      []exchange.Stats // by loop
	connections  []int64          // of open, over all loops
	now          int64            // ms of the loops' clock
	handshakes   []listener.Stats
	tunnels      api.Tunnels
	flows        api.Flows
	destinations []destination
	kernel       map[string]int    // connections and flows that the kernel carries, by listener
	refused      map[string]uint64 // what it has refused, by listener
}

// destination is a pool while it is summed up.
type destination struct {
	config   *config.Pool
	of       *site.Destination
	clients  uint64
	fellBack uint64
	mirror   site.Mirrored
	hedge    api.Hedge
	stays    api.Persistence

	forwarded map[string]netfilter.Counted // by server
	carried   map[string]int               // connections and flows that servers have in the kernel
	countedIn map[string]string            // servers whose counts another pool shows, with that pool
	overrides map[string]pool.Override
	stayed    []*site.Persistence
	counters  *pool.Status
	servers   []serverConns // of counters.Servers
}

// serverConns is what the transports and the loops' clocks add to a server.
type serverConns struct {
	api.Connections
	learned      time.Duration
	ejectedUntil time.Time
}

func newGathering(d *Daemon, running *snapshot.Snapshot, open []*openListener) *gathering {
	slices.SortFunc(open, func(a, b *openListener) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.socket.Address.String(), b.socket.Address.String()))
	})
	g := &gathering{daemon: d, running: running, open: open,
		connections: make([]int64, len(open)), handshakes: make([]listener.Stats, len(open)),
		tunnels: api.Tunnels{Reasons: map[string]uint64{}}, flows: api.Flows{Reasons: map[string]uint64{}}}
	for i := range running.Config.Pools {
		c := &running.Config.Pools[i]
		of := running.Destinations[c.Name]
		counters := of.Pool.NewStatus()
		g.destinations = append(g.destinations, destination{config: c, of: of, counters: counters, overrides: of.Pool.Overrides(), stayed: running.Stays[c.Name],
			servers: make([]serverConns, len(counters.Servers))})
	}
	g.gatherForwarded()
	return g
}

// gatherForwarded asks the kernel what it has carried.
func (g *gathering) gatherForwarded() {
	if len(g.running.Forwards) == 0 {
		return
	}
	all := g.daemon.forwarding.count()
	carried := g.daemon.forwarding.carried(g.running.Forwards)
	g.kernel, g.refused = carried.of, g.daemon.forwarding.refused(g.running.Forwards)
	shown := map[netfilter.Way]string{}
	for i := range g.destinations {
		d := &g.destinations[i]
		if !d.config.IsForwarded() {
			continue
		}
		d.forwarded, d.carried, d.countedIn = map[string]netfilter.Counted{}, map[string]int{}, map[string]string{}
		services := servicesOf(g.running.Forwards, d.of.Pool)
		for _, s := range d.counters.Servers {
			for k := range services {
				d.gatherWay(s.Server, &services[k], all, carried, shown)
			}
		}
	}
}

// gatherWay takes what has gone from a service to a server, and what is open. Destination NAT counts by server: of several pools that share one, the first in the configuration shows
// the counts, so that no sum has them twice. shown is which pool does.
func (d *destination) gatherWay(server *pool.Server, s *netfilter.Service, all map[netfilter.Way]netfilter.Counted, carried carried, shown map[netfilter.Way]string) {
	w := s.WayTo(&netfilter.Server{Address: serverAddress(server)})
	open := w
	open.Service = s.Name
	d.carried[server.Name] += carried.to[open]
	switch first, isShown := shown[w]; {
	case !isShown:
		shown[w] = d.config.Name
		d.forwarded[server.Name] = d.forwarded[server.Name].Plus(all[w])
	case first != d.config.Name:
		d.countedIn[server.Name] = first
	}
}

// addForwarded adds what the kernel has carried to what weir has.
func (d *destination) addForwarded(list []api.Server) {
	for i := range list {
		n := d.forwarded[list[i].Name]
		list[i].Requests += n.Connections
		list[i].InFlight += int32(d.carried[list[i].Name])
		list[i].SentBytes += n.Sent
		list[i].ReceivedBytes += n.Received
		list[i].CountedIn = d.countedIn[list[i].Name]
	}
}

// copy takes what a loop owns. On that loop.
func (g *gathering) copy(l *engine.Loop) {
	s := &l.Stats
	g.now = l.Now()
	g.loops = append(g.loops, api.Loop{Index: l.Index, Turns: s.Turns, Events: s.Events, Accepted: s.Accepted, Moved: s.MovedAway,
		AcceptPauses: s.AcceptPause, MadeRoom: s.MadeRoom, Dialed: s.Dialed, Open: s.Open, Posted: s.Posted, Panics: s.Panics,
		SlowTurns: s.SlowTurns, SplicedBytes: s.Spliced, SendsTogether: s.SendsTogether, SendCalls: s.SendCalls})
	g.counted = append(g.counted, g.daemon.driver.Stats(l.Index))
	for i, o := range g.open {
		handshakes, connections := o.handler.Stats(l.Index)
		g.connections[i] += connections
		g.handshakes[i].Handshakes += handshakes.Handshakes
		g.handshakes[i].Failed += handshakes.Failed
		g.handshakes[i].Resumed += handshakes.Resumed
		g.handshakes[i].Dropped += handshakes.Dropped
	}
	for i := range g.destinations {
		g.destinations[i].copy(l)
	}
	g.copyLayer4(l)
}

func (d *destination) copy(l *engine.Loop) {
	mine := &d.of.Loops[l.Index]
	d.clients += mine.Clients
	d.fellBack += mine.FellBack
	d.stays.Kept += mine.Kept
	d.stays.Placed += mine.Placed
	d.stays.Lost += mine.Lost
	d.mirror.Add(mine.Mirror)
	if h := d.of.Hedge; h != nil {
		d.hedge.Sent += h.Loops[l.Index].Sent
		d.hedge.Won += h.Loops[l.Index].Won
	}
	d.counters.CopyLoop(l.Index, l.Now())
	for i := range d.servers {
		d.servers[i].copy(d.counters.Servers[i].Server, l)
	}
}

func (c *serverConns) copy(s *pool.Server, l *engine.Loop) {
	if s.IsEjected(l.Now()) {
		c.ejectedUntil = l.Time(s.EjectedUntil() * 1000)
	}
	conns, _ := s.Load(l.Index).Transport.(*transport.Conns)
	if conns == nil {
		return
	}
	c.Open += conns.Open
	c.Idle += conns.Idle
	c.Opened += conns.Opened
	c.Reused += conns.Reused
	c.NoPorts += conns.NoPorts
	if learned := conns.Learned(); learned > 0 && (c.learned == 0 || learned < c.learned) {
		c.learned = learned
	}
}

func (g *gathering) pools() []api.Pool {
	list := []api.Pool{}
	for i := range g.destinations {
		list = append(list, g.destinations[i].pool(g.now))
	}
	return list
}

// tables are what keeps clients with servers, by name.
func (g *gathering) tables() []api.Table {
	list := []api.Table{}
	for _, name := range slices.Sorted(maps.Keys(g.running.Tables)) {
		t := g.running.Tables[name]
		list = append(list, api.Table{Name: name, Size: t.Size(), Used: t.Used(g.now), Replaced: t.Replaced.Load()})
	}
	return list
}

func (d *destination) pool(now int64) api.Pool {
	p := api.Pool{Name: d.config.Name, Mode: d.config.Mode, Policy: d.config.Balance.Method, Servers: []api.Server{},
		Unresolved: append([]string{}, d.counters.Set.Unresolved...)}
	if d.config.IsForwarded() {
		p.Policy = d.config.Mode + ": " + d.config.KernelBalance()
	}
	p.Persistence = d.stays
	p.FellBack = d.fellBack
	p.Mirror = api.Mirror(d.mirror)
	p.Hedge = d.hedge
	q := &d.counters.Queue
	p.Queue = api.Queue{Waiting: d.counters.Waiting, Queued: q.Queued, Shed: map[string]uint64{}}
	for class, n := range q.Shed {
		p.Queue.Shed[pool.Class(class).String()] = n
	}
	opened, reused := uint64(0), uint64(0)
	for i := range d.servers {
		opened += d.servers[i].Opened
		reused += d.servers[i].Reused
		p.Servers = append(p.Servers, d.server(i, now))
	}
	d.addForwarded(p.Servers)
	p.Multiplexing = api.NewMultiplexing(d.clients, opened, reused)
	return p
}

func (d *destination) server(i int, now int64) api.Server {
	c, conns, set := &d.counters.Servers[i], &d.servers[i], d.counters.Set
	s := api.Server{Name: c.Server.Name, Address: c.Server.Address.String(), Health: c.Server.Health().String(),
		State: set.State(c.Server).String(), Weight: set.Weight(c.Server), Requests: c.Requests, InFlight: c.InFlight, Outcomes: map[string]uint64{},
		MaxRequests: c.MaxRequests, AdaptiveLimit: c.AdaptiveLimit,
		Retries: c.Retries, Ejections: c.Ejections, Connections: conns.Connections, IdleTimeoutSeconds: conns.learned.Seconds(),
		LatencySeconds: c.Latency / 1e6, SentBytes: c.BytesSent, ReceivedBytes: c.BytesReceived}
	if c.Server.Address.Path == "" {
		s.Connections.Ports = portsOf(d.of.Transport)
	}
	if !conns.ejectedUntil.IsZero() {
		s.EjectedUntil = &conns.ejectedUntil
	}
	for o, n := range c.Outcomes {
		s.Outcomes[pool.Outcome(o).String()] = n
	}
	for _, stay := range d.stayed {
		n, last := stay.Clients(set, c.Server, now)
		s.Clients += n
		s.ClientsSeconds = max(s.ClientsSeconds, int(last))
	}
	if o, is := d.overrides[s.Name]; is {
		s.Override = &api.Override{UntilReload: o.UntilReload}
		if o.HasState {
			s.Override.State = o.State.String()
		}
		if o.HasWeight {
			s.Override.Weight = &o.Weight
		}
	}
	return s
}
