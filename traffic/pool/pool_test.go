package pool

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

func record(address string) Record { return Record{Address: netip.MustParseAddrPort(address)} }

func TestAReloadKeepsTheStateOfWhatStays(t *testing.T) {
	cfg := Config{Name: "web", Loops: 2, Servers: servers(3)}
	before := New(cfg, nil)
	old := before.Set().Servers
	old[0].SetHealth(Down)
	attempts(3, before, old[1], 0, 1000, OK)
	attempts(5, before, old[1], 0, 1000, Reset)
	old[1].Load(0).Transport = "kept connections"
	before.Begin(old[1], 1) // still in flight
	for range 100 {
		before.Budget(0).Deposit()
	}

	cfg.Servers = []ServerConfig{{Address: "10.0.9.9:80"}, cfg.Servers[1], cfg.Servers[0]}
	cfg.Servers[1].Weight = 7
	cfg.Balance.Policy = "round_robin"
	after := New(cfg, before)
	set := after.Set().Servers
	if set[1] != old[1] || set[2] != old[0] || slices.Contains(old, set[0]) {
		t.Fatal("kept servers are not the same, or a new one is not new")
	}
	if old[2].IsGone() {
		t.Fatal("building the new pool touched the old one")
	}
	if got := before.Set().Servers; !slices.Equal(got, old) {
		t.Fatal("building the new pool changed the set of the old one")
	}
	before.Retire(after)
	if !old[2].IsGone() || old[0].IsGone() || old[1].IsGone() || set[0].IsGone() {
		t.Error("not exactly the server that left is gone")
	}
	if set[2].Health() != Down || !set[1].IsEjected(1001) || set[1].Load(0).Transport != "kept connections" || set[1].Load(0).Requests != 8 {
		t.Error("state was lost")
	}
	if earned := after.Budget(0).earned; earned < 19.9 {
		t.Errorf("the retry budget fell to %v", earned)
	}
	before.End(set[1], 1, 1000, 100, OK)
	if n := set[1].Load(1).InFlight; n != 0 {
		t.Errorf("%d in flight after the end of an attempt that began before the reload", n)
	}
	after.Retire(nil)
	if !set[0].IsGone() {
		t.Error("the removed pool's server is not gone")
	}
}

func TestAPoolWithAnotherNumberOfLoopsStartsAfresh(t *testing.T) {
	before := New(Config{Loops: 1, Servers: servers(1)}, nil)
	after := New(Config{Loops: 3, Servers: servers(1)}, before)
	if after.Set().Servers[0] == before.Set().Servers[0] {
		t.Error("a server without room for all loops was taken over")
	}
}

func TestANameIsAllItsAddresses(t *testing.T) {
	cfg := Config{Loops: 1, Servers: []ServerConfig{{Address: "app.test:80", Weight: 2}, {Address: "10.0.0.1:80"}}}
	p := New(cfg, nil)
	name := Target{Name: "app.test", Port: 80}
	if got := p.Targets(); !slices.Equal(got, []Target{name}) {
		t.Fatalf("targets %v", got)
	}
	if set := p.Set(); len(set.Servers) != 1 || !slices.Equal(set.Unresolved, []string{"app.test"}) {
		t.Fatalf("before resolution: %+v", set)
	}
	changes := 0
	p.OnChange(func(*Set) { changes++ })
	p.SetRecords(name, []Record{record("10.1.0.1:80"), record("10.1.0.2:80"), record("10.1.0.2:80")})
	first := p.Set().Servers
	if len(first) != 3 || first[0].Host != "app.test" || first[0].Address.String() != "10.1.0.1:80" || first[2].Host != "" {
		t.Fatalf("after resolution: %v", first)
	}
	p.SetRecords(name, []Record{record("10.1.0.1:80"), record("10.1.0.2:80"), record("10.1.0.2:80")})
	p.SetRecords(name, []Record{record("10.1.0.2:80"), record("10.1.0.3:80")})
	second := p.Set().Servers
	if len(second) != 3 || second[0] != first[1] || !first[0].IsGone() || first[1].IsGone() {
		t.Errorf("after a change of addresses: %v", second)
	}
	if changes != 2 {
		t.Errorf("%d changes were told, want 2", changes)
	}
	after := New(cfg, p)
	if !slices.Equal(after.Set().Servers, second) {
		t.Error("a reload lost what was known of the name")
	}
}

func TestSRVRecordsBringWeightAndPriority(t *testing.T) {
	p := New(Config{Loops: 1, Servers: []ServerConfig{{Address: "srv:_http._tcp.test"}}}, nil)
	p.SetRecords(p.Targets()[0], []Record{
		{Address: netip.MustParseAddrPort("10.0.0.1:8080"), Host: "a.test", Weight: 3, Priority: 10},
		{Address: netip.MustParseAddrPort("10.0.0.2:8081"), Host: "b.test", Weight: 1, Priority: 10},
		{Address: netip.MustParseAddrPort("10.0.0.3:8082"), Host: "c.test", Priority: 20},
	})
	set := p.Set()
	if len(set.tiers) != 2 || len(set.tiers[0].members) != 2 || set.tiers[0].members[0].weight != 3 || set.Servers[2].Host != "c.test" {
		t.Errorf("%+v", set.tiers)
	}
}

// The loops pick and count while the control plane changes what it may: names, health, drain, and the pool itself.
func TestLoopsGoOnWhileEverythingChanges(t *testing.T) {
	const loops = 3
	cfg := Config{Name: "web", Loops: loops, Servers: []ServerConfig{{Address: "app.test:80"}, {Address: "10.0.0.9:80"}}}
	var running atomic.Pointer[Pool]
	running.Store(New(cfg, nil))
	var done atomic.Bool
	var group sync.WaitGroup
	for loop := range loops {
		group.Go(func() {
			for now := int64(1); !done.Load() || now < 1000; now++ {
				p := running.Load()
				s, reason := p.Pick(loop, now, uint64(now), nil)
				if s == nil {
					t.Errorf("no server: %v", reason)
					return
				}
				attempt(p, s, loop, now, Outcome(now%3))
			}
		})
	}
	for i := range 300 {
		p := running.Load()
		p.SetRecords(p.Targets()[0], []Record{record("10.0.0.1:80"), record([]string{"10.0.0.2:80", "10.0.0.3:80"}[i%2])})
		for j, s := range p.Set().Servers[:2] {
			s.SetHealth(Health(i % 3))
			p.Override(s.Name, func(o *Override) { o.HasState, o.State = true, State((i+j)%3) })
		}
		cfg.Balance.Policy = Policies()[i%len(Policies())]
		next := New(cfg, p)
		running.Store(next)
		p.Retire(next)
	}
	done.Store(true)
	group.Wait()
	for _, s := range running.Load().Set().Servers {
		for loop := range loops {
			if n := s.Load(loop).InFlight; n != 0 {
				t.Errorf("%v: %d in flight at the end", s.Address, n)
			}
		}
	}
}

func TestStatusSumsTheLoops(t *testing.T) {
	p := New(Config{Loops: 2, Servers: servers(2)}, nil)
	s := p.Set().Servers[1]
	attempts(3, p, s, 0, 1000, OK)
	attempts(2, p, s, 1, 1000, Reset)
	p.Begin(s, 1)
	st := p.NewStatus()
	for loop := range 2 {
		st.CopyLoop(loop, 1000)
	}
	got := st.Servers[1]
	if got.Server != s || got.Requests != 6 || got.InFlight != 1 || got.Outcomes[OK] != 3 || got.Outcomes[Reset] != 2 || got.Latency != 2*failureFloor {
		t.Errorf("%+v", got)
	}
}

func TestParseTarget(t *testing.T) {
	for text, want := range map[string]Target{
		"10.0.0.1:80":            {Address: Address{AddrPort: netip.MustParseAddrPort("10.0.0.1:80")}},
		"[2001:db8::1]:443":      {Address: Address{AddrPort: netip.MustParseAddrPort("[2001:db8::1]:443")}},
		"[::ffff:10.0.0.1]:80":   {Address: Address{AddrPort: netip.MustParseAddrPort("10.0.0.1:80")}},
		"[fe80::1%eth0]:80":      {Address: Address{AddrPort: netip.MustParseAddrPort("[fe80::1%eth0]:80")}},
		"unix:/run/app.sock":     {Address: Address{Path: "/run/app.sock"}},
		"App.Example.com.:8080":  {Name: "app.example.com", Port: 8080},
		"srv:_http._tcp.example": {Name: "_http._tcp.example"},
	} {
		if got, err := ParseTarget(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "host", "host:", ":80", "host:0", "host:65536", "host:http", "10.0.0.1:0", "::1:80", "unix:", "srv:", "srv:a:80", "http://a:80", "a b:80"} {
		if got, err := ParseTarget(text); err == nil {
			t.Errorf("%q was taken as %+v", text, got)
		}
	}
}
