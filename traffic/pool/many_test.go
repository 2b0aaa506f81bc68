package pool

import (
	"testing"
	"time"
)

// quickest is the least time of a few runs: other work of the machine does not count.
func quickest(f func()) time.Duration {
	least := time.Hour
	for range 5 {
		begun := time.Now()
		f()
		least = min(least, time.Since(begun))
	}
	return least
}

// What one request costs on its loop when none of very many servers can be chosen.
func TestAPickAmongManyServersThatCannotBeChosenIsCheap(t *testing.T) {
	const n, most = 20_000, 20 * time.Millisecond
	forEachPolicy(t, func(t *testing.T, policy string) {
		list := servers(n)
		for i := range list {
			list[i].MaxConnections = 1
		}
		p := New(Config{Loops: 2, Servers: list, SlowStart: 1000, Balance: BalanceConfig{Policy: policy}}, nil)
		all := p.Set().Servers
		try := func(what string, want Reason) {
			t.Helper()
			took := quickest(func() {
				var held Held
				s, why := p.Admit(0, 1000, 7, nil, false, &held)
				if why != want {
					t.Fatalf("%s: %v", what, why)
				}
				if s != nil {
					p.End(s, 0, 1000, 100, Cancelled)
					p.Settle(0, s, &held)
				}
			})
			if took > most {
				t.Errorf("%s: a pick takes %v", what, took)
			}
		}
		for _, s := range all {
			s.SetHealth(Down)
		}
		try("down", AllDown)
		for _, s := range all {
			s.SetHealth(Up)
			s.ejectedUntil.Store(5000)
		}
		try("ejected", Picked)
		for _, s := range all {
			s.ejectedUntil.Store(0)
			s.requests.used.Store(1)
		}
		try("full", Full)
	})
}

// A reload, and each change of an address, builds the set anew.
func TestASetOfManyServersIsBuiltInTime(t *testing.T) {
	forEachPolicy(t, func(t *testing.T, policy string) {
		begun := time.Now()
		New(Config{Servers: servers(20_000), Balance: BalanceConfig{Policy: policy}}, nil)
		if took := time.Since(begun); took > 4*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

func TestServersOfALargeSetAreFoundAtOnce(t *testing.T) {
	list := servers(20_000)
	list[19_999].Drain = true
	for i := range list {
		list[i].Weight = 1 + i%3
	}
	set := New(Config{Servers: list}, nil).Set()
	took := quickest(func() {
		for i, s := range set.Servers {
			if got := set.Weight(s); got != 1+i%3 {
				t.Fatalf("server %d: weight %d", i, got)
			}
		}
	})
	if took > 100*time.Millisecond {
		t.Errorf("20,000 look-ups took %v", took)
	}
	if set.State(set.Servers[19_999]) != Drained || set.Weight(newServer("other", "", Address{}, 1)) != 0 {
		t.Error("a server at rest, or one of another set, is taken for another")
	}
}

func TestManyServersShareTheRingsPoints(t *testing.T) {
	for servers, want := range map[int]int{1: 512, 2048: 512, 2049: 256, 20_000: 32, 1 << 20: 16} {
		if got := pointsOf(servers); got != want {
			t.Errorf("%d servers have %d points each, want %d", servers, got, want)
		}
	}
}

// Loops must not have to find out by themselves what follows from a new set.
func TestWhatIsMadeOfASetIsReadyBeforeTheSetIsSeen(t *testing.T) {
	p := New(Config{Servers: []ServerConfig{{Address: "a.test:80"}}}, nil)
	var told []*Set
	p.OnSet(func(s *Set) {
		if told = append(told, s); len(told) == 2 && p.Set() == s {
			t.Error("the set is seen already")
		}
	})
	p.SetRecords(p.Targets()[0], []Record{{}})
	if len(told) != 2 || told[1] != p.Set() {
		t.Errorf("told of %d sets", len(told))
	}
}
