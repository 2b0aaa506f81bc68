package flow

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/accesslog"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/test/walk"
	"github.com/weir-proxy/weir/traffic/attempt"
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/traffic/persistence"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/traffic/transport"
	"github.com/weir-proxy/weir/wire/proxyproto"
)

// walked is a listener with its flows on one loop, whose packets are handed to it by the test. The servers' addresses refuse: what the system says of that comes in between, when it likes.
type walked struct {
	t      *testing.T
	driver *Driver
	flows  *Flows
	table  engine.PacketHandler
	socket *engine.PacketSocket
	pool   *pool.Pool
	rng    *rand.Rand
}

// step is something that a client, a server, the operator or the process does. It runs on the loop.
type step struct {
	name string
	does func(w *walked)
}

var machineClients = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:5001"), netip.MustParseAddrPort("127.0.0.1:5002"), netip.MustParseAddrPort("127.0.0.2:5001")}

// each does something with the flows that stand, as a server's or the system's word about them comes: also about those that have just ended.
func (w *walked) each(do func(f *Flow)) {
	t := w.table.(*table)
	var all []*Flow
	for _, f := range t.known {
		all = append(all, f)
	}
	for _, f := range all {
		do(f)
	}
}

func sends(name string, packets func(from netip.AddrPort) []engine.Packet) step {
	return step{"client: " + name, func(w *walked) {
		w.table.Packets(w.socket, packets(machineClients[w.rng.IntN(len(machineClients))]))
	}}
}

func answersWith(name string, packets ...engine.Packet) step {
	return step{"server: " + name, func(w *walked) {
		w.each(func(f *Flow) { f.Packets(f.socket, packets) })
	}}
}

// sets swaps the setup for one that is changed.
func sets(name string, change func(s *Setup)) step {
	return step{"setup: " + name, func(w *walked) {
		s := *w.flows.Setup()
		change(&s)
		w.flows.Swap(&s)
	}}
}

func steps() []step {
	one := func(b []byte) func(netip.AddrPort) []engine.Packet {
		return func(from netip.AddrPort) []engine.Packet { return []engine.Packet{{Data: b, From: from}} }
	}
	header := func(h *proxyproto.Header, rest string) []byte { return append(proxyproto.AppendV2(nil, h), rest...) }
	big := make([]byte, 60_000)
	return []step{
		sends("asks", one([]byte("x"))),
		sends("nothing", one(nil)),
		sends("a lot", one(big)),
		sends("many", func(from netip.AddrPort) []engine.Packet {
			return []engine.Packet{{Data: big, Segment: 1000, From: from}}
		}),
		sends("with another", func(from netip.AddrPort) []engine.Packet {
			return []engine.Packet{{Data: []byte("x"), From: from}, {Data: []byte("y"), From: machineClients[0]}, {Data: []byte("z"), From: from}}
		}),
		sends("told of", func(from netip.AddrPort) []engine.Packet {
			return []engine.Packet{{Data: header(&proxyproto.Header{Source: machineClients[1], Destination: machineClients[2], IsDatagram: true}, "x"), From: from}}
		}),
		sends("told of nobody", func(from netip.AddrPort) []engine.Packet {
			return []engine.Packet{{Data: header(&proxyproto.Header{IsLocal: true}, ""), From: from}}
		}),
		answersWith("answers", engine.Packet{Data: []byte("y")}),
		answersWith("nothing", engine.Packet{}),
		answersWith("a lot", engine.Packet{Data: big}, engine.Packet{Data: big}),
		answersWith("many", engine.Packet{Data: big, Segment: 1}),
		{"server: refuses", func(w *walked) { w.each(func(f *Flow) { f.Refused(f.socket, nil) }) }},
		{"server: refuses twice", func(w *walked) { w.each(func(f *Flow) { f.Refused(f.socket, nil); f.Refused(f.socket, nil) }) }},
		{"server: down", func(w *walked) { w.pool.Set().Servers[w.rng.IntN(2)].SetHealth(pool.Down) }},
		{"server: up", func(w *walked) {
			for _, s := range w.pool.Set().Servers {
				s.SetHealth(pool.Up)
			}
		}},
		{"server: disabled", func(w *walked) { w.override(pool.Disabled) }},
		{"server: enabled", func(w *walked) { w.override(pool.Available) }},
		{"server: gone", func(w *walked) {
			next := pool.New(machinePool(w.rng.IntN(2)), w.pool)
			w.pool.Retire(next)
			w.pool = next
			s := *w.flows.Setup()
			to := *s.To
			s.To, to.Pool = &to, next
			w.flows.Swap(&s)
		}},
		sets("one reply", func(s *Setup) { s.Replies = 1 }),
		sets("three replies", func(s *Setup) { s.Replies = 3 }),
		sets("any replies", func(s *Setup) { s.Replies = 0 }),
		sets("little back", func(s *Setup) { s.Amplify = 1 }),
		sets("no room", func(s *Setup) { s.Most = 1 }),
		sets("nobody", func(s *Setup) {
			s.Access = &filter.Access{Deny: filter.NewNetworks([]netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")})}
		}),
		sets("everybody", func(s *Setup) { s.Access, s.Most, s.Closing = nil, 10, false }),
		sets("proxies", func(s *Setup) { s.Proxies = filter.NewNetworks([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}) }),
		sets("closing", func(s *Setup) { s.Closing = true }),
		sets("stays", func(s *Setup) {
			s.Persistence = &site.Persistence{Persistence: persistence.New(persistence.Config{Table: persistence.NewTable(100, 60), Scope: "servers"})}
		}),
		{"room is made", func(w *walked) { w.each(func(f *Flow) { f.MakeRoom(); f.MakeRoom() }) }},
		{"some end", func(w *walked) { w.driver.End(0, &attempt.Ending{Client: machineClients[0].Addr()}, reason.Ended) }},
		{"all end", func(w *walked) { w.driver.Cut(0, w.flows) }},
		{"silence", func(w *walked) {
			w.each(func(f *Flow) { f.last -= time.Hour.Milliseconds(); f.since -= time.Hour.Milliseconds() })
		}},
		{"rest", func(w *walked) { w.flows.Rest(0) }},
		{"wake", func(w *walked) { w.flows.Wake(0) }},
		{"passed on", func(w *walked) { w.flows.Forget(0, w.flows.Rest(0)); w.flows.Wake(0) }},
		{"passed back", func(w *walked) { w.passBack() }},
	}
}

// machinePool is the configuration of two servers, whose names differ from version to version.
func machinePool(version int) pool.Config {
	names := [][]string{{"127.0.0.1:9", "127.0.0.2:9"}, {"127.0.0.2:9", "127.0.0.3:9"}}[version]
	return pool.Config{Name: "servers", Loops: 1, Servers: []pool.ServerConfig{{Address: names[0]}, {Address: names[1], MaxConnections: 2}}}
}

func (w *walked) override(to pool.State) {
	w.pool.Override(w.pool.Set().Servers[w.rng.IntN(2)].Name, func(o *pool.Override) { o.HasState, o.State = true, to })
}

// passBack has this process take over what it has listed, with descriptors of its own, as the next one does.
func (w *walked) passBack() {
	list := w.flows.Rest(0)
	for i := range list {
		p := &list[i]
		p.ToServer, _ = syscall.Dup(p.ToServer)
	}
	w.flows.Forget(0, list)
	for i := range list {
		w.flows.Adopt(w.socket, &list[i])
	}
	w.flows.Wake(0)
}

// catcher leaves the packets to the steps.
type catcher struct{ w *walked }

func (c catcher) Packets(s *engine.PacketSocket, _ []engine.Packet) { c.w.socket = s }
func (c catcher) Refused(*engine.PacketSocket, error)               {}

// isRight checks that the table's parts agree.
func (w *walked) isRight(names []string) {
	t := w.table.(*table)
	n := 0
	for _, l := range []*list{&t.fresh, &t.confirmed} {
		var before *Flow
		for f := l.oldest; f != nil; before, f = f, f.newer {
			if n++; f.in != l || f.older != before || f.hasEnded || t.known[f.client] != f {
				w.t.Fatalf("a flow of %v is in no order after %s", f.client, strings.Join(names, "; "))
			}
		}
		if l.newest != before {
			w.t.Fatalf("a list does not end with its newest after %s", strings.Join(names, "; "))
		}
	}
	if int64(n) != w.driver.Stats(0).Open || n != len(t.known) {
		w.t.Fatalf("%d flows listed, %d known, %d counted after %s", n, len(t.known), w.driver.Stats(0).Open, strings.Join(names, "; "))
	}
}

// takeWalk has the steps happen one after the other. Whatever they are, nothing of weir may panic, and nothing is left when the listener has gone.
func takeWalk(t *testing.T, e *engine.Engine, most int64, steps []step, rng *rand.Rand) {
	l := e.Loops()[0]
	w := &walked{t: t, rng: rng, pool: pool.New(machinePool(0), nil)}
	setup := &Setup{Listener: "test", Idle: time.Minute, Most: 10, Amplify: 3,
		To: &site.Destination{Pool: w.pool, Transport: &transport.Config{}, Loops: make([]site.DestinationLoop, 1)}}
	w.driver = NewDriver(e, []*accesslog.Ring{accesslog.NewRing(1 << 16)})
	w.flows = w.driver.NewFlows(setup)
	ln, err := e.ListenPackets(engine.Address{IP: netip.MustParseAddrPort("127.0.0.1:0"), IsDatagram: true}, engine.ListenConfig{}, func(l *engine.Loop) engine.PacketHandler {
		w.table = w.flows.On(l)
		return catcher{w}
	})
	if err != nil {
		t.Fatal(err)
	}
	to, _ := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(ln.Address.IP))
	defer to.Close()
	for has := false; !has; l.Call(func() { has = w.socket != nil }) { // the first packet says which socket it is
		to.Write([]byte("x"))
		time.Sleep(100 * time.Microsecond)
	}
	var names []string
	panics := uint64(0)
	for _, s := range steps {
		names = append(names, s.name)
		l.Call(func() { s.does(w); w.isRight(names) })
	}
	l.Call(func() {
		w.flows.Wake(0)
		w.driver.Remove(0, w.flows)
		w.isRight(names)
		panics = l.Stats.Panics
	})
	ln.Close()
	l.Call(func() {
		s := w.driver.Stats(0)
		inFlight := int64(0)
		for _, s := range w.pool.Set().Servers {
			inFlight += int64(s.Load(0).InFlight)
		}
		if panics != 0 || s.Open != 0 || len(w.driver.loops[0].tables) != 0 || inFlight != 0 || !l.Claim(engine.ShareFlows, most) {
			t.Errorf("%d panics, %d flows, %d in flight after %s", panics, s.Open, inFlight, strings.Join(names, "; "))
			return
		}
		l.Unclaim(engine.ShareFlows, most)
	})
}

// machineWays are how flows come to their states; each is followed by every step.
var machineWays = []string{
	"",
	"client: asks",
	"client: asks; server: answers",
	"client: asks; server: answers; client: asks",
	"setup: one reply; client: asks",
	"setup: three replies; client: many; server: answers",
	"setup: little back; client: asks; server: a lot",
	"setup: stays; client: asks; server: down; client: asks",
	"setup: proxies; client: told of; server: answers; client: told of",
	"client: with another; rest",
	"client: with another; server: disabled; client: with another; passed back",
	"client: asks; setup: no room; client: with another",
	"setup: one reply; client: asks; silence; client: asks",
}

func TestEveryStepInEveryState(t *testing.T) {
	for name, portable := range map[string]bool{"poller": false, "goroutines": true} {
		t.Run(name, func(t *testing.T) {
			e, err := engine.New(engine.Config{Loops: 1, Portable: portable, Log: t.Logf})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			most, rng := descriptorsOf(e.Loops()[0]), rand.New(rand.NewPCG(1, 2))
			walks := walk.Walks[step]{Events: steps(), Name: func(s step) string { return s.name }, Ways: machineWays, Random: 500, Longest: 12}
			walks.Each(t, rng, func(steps []step) { takeWalk(t, e, most, steps, rng) })
		})
	}
}

// descriptorsOf is how many descriptors flows may take.
func descriptorsOf(l *engine.Loop) (most int64) {
	l.Call(func() {
		for n := int64(1) << 40; n > 0; n /= 2 {
			if l.Claim(engine.ShareFlows, most+n) {
				l.Unclaim(engine.ShareFlows, most+n)
				most += n
			}
		}
	})
	return most
}
