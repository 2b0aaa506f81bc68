package pool

import (
	"fmt"
	"math"
	"testing"
)

// The contract of every balancer in the table: each test runs over all rows.
func forEachPolicy(t *testing.T, test func(t *testing.T, policy string)) {
	for _, policy := range Policies() {
		t.Run(policy, func(t *testing.T) { test(t, policy) })
	}
}

func weighted(policy string, weights ...int) *Pool {
	list := servers(len(weights))
	for i, w := range weights {
		list[i].Weight = w
	}
	return New(Config{Name: "p", Loops: 2, Servers: list, Balance: BalanceConfig{Policy: policy}}, nil)
}

// traffic is a loop's work on a pool: a number of requests in flight, each ending after the same time.
type traffic struct {
	pool     *Pool
	loop     int
	now      int64
	key      uint64
	flying   []*Server
	atOnce   int
	received map[*Server]int
}

func (w *traffic) run(t *testing.T, requests int) {
	t.Helper()
	w.received = map[*Server]int{}
	for range requests {
		w.key++
		w.now++
		s, reason := w.pool.Pick(w.loop, w.now, w.key, nil)
		if s == nil {
			t.Fatalf("no server: %v", reason)
		}
		w.received[s]++
		w.pool.Begin(s, w.loop)
		if w.flying = append(w.flying, s); len(w.flying) > w.atOnce {
			w.pool.End(w.flying[0], w.loop, w.now, 500, OK)
			w.flying = w.flying[1:]
		}
	}
}

func TestWeightsAreRespected(t *testing.T) {
	for _, weights := range [][]int{{1, 1}, {1, 1, 1, 1}, {1, 2, 5}, {100, 300}, {3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 6}} {
		forEachPolicy(t, func(t *testing.T, policy string) {
			const requests = 40_000
			w := traffic{pool: weighted(policy, weights...), atOnce: 48}
			w.run(t, requests)
			sum := 0
			for _, weight := range weights {
				sum += weight
			}
			for i, s := range w.pool.Set().Servers {
				share, want := float64(w.received[s])/requests, float64(weights[i])/float64(sum)
				if policy == "first" {
					want = map[bool]float64{true: 1}[i == 0]
				}
				if math.Abs(share-want) > 0.15*want {
					t.Errorf("weights %v: server %d received %.3f, want %.3f", weights, i, share, want)
				}
			}
		})
	}
}

func TestLoopsDoNotStartAtTheSameServer(t *testing.T) {
	p := weighted("round_robin", 1, 1, 1, 1)
	a, _ := p.Pick(0, 0, 0, nil)
	b, _ := p.Pick(1, 0, 0, nil)
	if a == b {
		t.Errorf("both loops begin with %v", a.Address)
	}
}

func TestOnlyServersThatCanBeChosenAre(t *testing.T) {
	for _, count := range []int{3, 8, 20} {
		forEachPolicy(t, func(t *testing.T, policy string) {
			p := weighted(policy, make([]int, count)...)
			set := p.Set().Servers
			set[0].SetHealth(Down)
			tried := new(Tried)
			tried.Add(set[1])
			for i := 3; i < count; i++ {
				switch i % 3 {
				case 0:
					p.Override(set[i].Name, func(o *Override) { o.HasState, o.State = true, Drained })
				case 1:
					set[i].ejectedUntil.Store(5001)
				case 2:
					set[i].SetHealth(Down)
				}
			}
			for key := range uint64(500) {
				if s, _ := p.Pick(0, 5000, key, tried); s != set[2] {
					t.Fatalf("picked %v, only %v can be", s, set[2].Address)
				}
			}
		})
	}
}

func TestAnEjectedServerIsRatherPickedThanNone(t *testing.T) {
	forEachPolicy(t, func(t *testing.T, policy string) {
		p := weighted(policy, 1, 1)
		set := p.Set().Servers
		set[0].SetHealth(Down)
		set[1].ejectedUntil.Store(5001)
		if s, reason := p.Pick(0, 5000, 7, nil); s != set[1] || reason != Picked {
			t.Errorf("picked %v: %v", s, reason)
		}
	})
}

func TestNoServerHasAReason(t *testing.T) {
	forEachPolicy(t, func(t *testing.T, policy string) {
		balance := BalanceConfig{Policy: policy}
		empty := New(Config{Balance: balance}, nil)
		unresolved := New(Config{Balance: balance, Servers: []ServerConfig{{Address: "app.test:80"}}}, nil)
		down := weighted(policy, 1, 1)
		for _, s := range down.Set().Servers {
			s.SetHealth(Down)
		}
		drained := New(Config{Balance: balance, Servers: []ServerConfig{{Address: "10.0.0.1:80", Drain: true}}}, nil)
		single, tried := weighted(policy, 1), new(Tried)
		tried.Add(single.Set().Servers[0])
		for _, c := range []struct {
			pool  *Pool
			tried *Tried
			want  Reason
		}{{empty, nil, NoServers}, {unresolved, nil, NotResolved}, {down, nil, AllDown}, {drained, nil, AllDown}, {single, tried, AllTried}, {single, nil, Picked}} {
			if s, reason := c.pool.Pick(0, 1, 3, c.tried); reason != c.want || (s != nil) != (c.want == Picked) {
				t.Errorf("picked %v: %v, want %v", s, reason, c.want)
			}
		}
	})
}

func TestTiersAreUsedInOrder(t *testing.T) {
	forEachPolicy(t, func(t *testing.T, policy string) {
		p := New(Config{Balance: BalanceConfig{Policy: policy}, Servers: []ServerConfig{
			{Address: "10.0.0.3:80", Backup: true}, {Address: "10.0.0.2:80", Priority: 1}, {Address: "10.0.0.1:80"},
		}}, nil)
		set := p.Set()
		for _, want := range []string{"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"} {
			s, reason := p.Pick(0, 1, 3, nil)
			if s != set.Find(want) {
				t.Fatalf("picked %v (%v), want %s", s, reason, want)
			}
			s.SetHealth(Down)
		}
	})
}

func TestKeysKeepTheirServer(t *testing.T) {
	for _, policy := range []string{"hash", "maglev"} {
		for _, count := range []int{2, 5, 12} {
			t.Run(fmt.Sprint(policy, " ", count), func(t *testing.T) {
				const keys = 20_000
				cfg := Config{Name: "p", Loops: 2, Servers: servers(count), Balance: BalanceConfig{Policy: policy}}
				before := New(cfg, nil)
				again := New(cfg, nil)
				lost := cfg.Servers[count/2].Address
				cfg.Servers = append(cfg.Servers[:count/2:count/2], cfg.Servers[count/2+1:]...)
				after := New(cfg, before)
				moved, owned := 0, 0
				taken := map[*Server]int{}
				for key := range uint64(keys) {
					a, _ := before.Pick(0, 1, key, nil)
					if b, _ := again.Pick(1, 1, key, nil); b.Address != a.Address {
						t.Fatalf("key %d: %v in one process, %v in another", key, a.Address, b.Address)
					}
					b, _ := after.Pick(0, 1, key, nil)
					switch {
					case a.Address.String() == lost:
						owned++
						taken[b]++
					case a != b:
						moved++
					}
				}
				if limit := map[string]int{"hash": 0, "maglev": keys / 20}[policy]; moved > limit {
					t.Errorf("%d of %d keys of other servers moved, at most %d may", moved, keys, limit)
				}
				if share := float64(owned) / keys; math.Abs(share-1/float64(count)) > 0.15/float64(count) {
					t.Errorf("the lost server had %.3f of the keys", share)
				}
				if len(taken) != count-1 {
					t.Errorf("its keys went to %d of %d servers", len(taken), count-1)
				}
			})
		}
	}
}

func TestADownServersKeysSpreadOverAllOthers(t *testing.T) {
	for _, policy := range []string{"hash", "maglev"} {
		p := weighted(policy, 1, 1, 1, 1, 1)
		down := p.Set().Servers[2]
		taken, owned := map[*Server]int{}, 0
		for key := range uint64(20_000) {
			a, _ := p.Pick(0, 1, key, nil)
			down.SetHealth(Down)
			b, _ := p.Pick(0, 1, key, nil)
			down.SetHealth(Up)
			switch {
			case a == down:
				owned++
				taken[b]++
			case a != b:
				t.Fatalf("%s: key %d moved from %v to %v", policy, key, a.Address, b.Address)
			}
		}
		for s, n := range taken {
			if share := float64(n) / float64(owned); math.Abs(share-0.25) > 0.05 {
				t.Errorf("%s: %v took %.2f of the keys", policy, s.Address, share)
			}
		}
	}
}

func TestHashBoundsTheLoadOfAHotKey(t *testing.T) {
	p := weighted("hash", 1, 1, 1, 1)
	most := int32(0)
	for range 400 {
		s, _ := p.Pick(0, 1, 42, nil)
		p.Begin(s, 0)
		most = max(most, s.Load(0).InFlight)
	}
	if most > 126 {
		t.Errorf("one key put %d of 400 requests on one of four servers; the bound is 1.25 x 100", most)
	}
	if most < 110 {
		t.Errorf("the key's own server has only %d requests", most)
	}
}

func TestLeastLatencyAvoidsTheSlowServer(t *testing.T) {
	for _, count := range []int{2, 4, 12} {
		p := weighted("least_latency", make([]int, count)...)
		slow := p.Set().Servers[1]
		for i := range int64(2000) {
			s, _ := p.Pick(0, i, 0, nil)
			p.Begin(s, 0)
			p.End(s, 0, i, map[bool]int64{true: 50_000, false: 500}[s == slow], OK)
		}
		if n := slow.Load(0).Requests; n == 0 || n > 40 {
			t.Errorf("of %d servers, the slow one received %d of 2000 requests", count, n)
		}
	}
}

func TestLeastLatencyTriesANewServerGentlyAndAForgottenOneAgain(t *testing.T) {
	p := weighted("least_latency", 1, 1)
	set := p.Set().Servers
	p.Begin(set[0], 0)
	p.End(set[0], 0, 1, 300, OK)
	s, _ := p.Pick(0, 2, 0, nil)
	if s != set[1] {
		t.Fatal("the new server was not tried")
	}
	p.Begin(s, 0)
	for range 50 {
		s, _ = p.Pick(0, 3, 0, nil)
		if s == set[1] {
			t.Fatal("a second request went to the new server before the first was answered")
		}
		p.Begin(s, 0)
	}
	for range 50 {
		p.End(set[0], 0, 4, 300, OK)
	}
	p.End(set[1], 0, 4, 100_000, OK)
	if s, _ = p.Pick(0, 5, 0, nil); s != set[0] {
		t.Fatal("the slow server was picked")
	}
	for now := int64(1000); ; now += 1000 {
		p.Begin(set[0], 0)
		p.End(set[0], 0, now, 300, OK)
		if s, _ = p.Pick(0, now, 0, nil); s == set[1] {
			return
		}
		if now > 60_000 {
			t.Fatal("the once slow server was not tried again within a minute")
		}
	}
}

func TestLeastRequestsPrefersTheIdle(t *testing.T) {
	p := weighted("least_requests", 1, 1, 1)
	set := p.Set().Servers
	for i, n := range []int{5, 2, 9} {
		for range n {
			p.Begin(set[i], 0)
		}
	}
	if s, _ := p.Pick(0, 1, 0, nil); s != set[1] {
		t.Errorf("picked %v", s.Address)
	}
}
