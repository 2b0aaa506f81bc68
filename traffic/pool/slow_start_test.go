package pool

import "testing"

// shareOf is how many of a thousand picks at that time go to s.
func shareOf(p *Pool, s *Server, now int64) (n int) {
	for key := range uint64(1000) {
		if got, _ := p.Pick(0, now, key, nil); got == s {
			n++
		}
	}
	return n
}

func TestAServerThatIsWellAgainGetsUpToItsShare(t *testing.T) {
	for _, policy := range []string{"round_robin", "random"} {
		p := New(Config{Loops: 1, Servers: servers(2), SlowStart: 10_000, Seed: 3, Balance: BalanceConfig{Policy: policy}}, nil)
		s := p.Set().Servers[0]
		if n := shareOf(p, s, 1); n < 450 || n > 550 {
			t.Errorf("%s: at the start of weir: %d of 1000", policy, n)
		}
		s.SetHealth(Down)
		s.SetHealth(Up)
		for _, c := range []struct {
			now         int64
			least, most int
		}{{1000, 50, 150}, {6000, 270, 420}, {10_900, 430, 550}, {11_001, 450, 550}} {
			if n := shareOf(p, s, c.now); n < c.least || n > c.most {
				t.Errorf("%s: %d ms after it came back: %d of 1000, want %d to %d", policy, c.now-1000, n, c.least, c.most)
			}
		}
	}
}

func TestServersThatAllComeBackAtOnceAreNotHeldUp(t *testing.T) {
	forEachPolicy(t, func(t *testing.T, policy string) {
		p := New(Config{Loops: 1, Servers: servers(3), SlowStart: 10_000, Balance: BalanceConfig{Policy: policy}}, nil)
		for _, s := range p.Set().Servers {
			s.SetHealth(Down)
			s.SetHealth(Up)
		}
		for key := range uint64(500) {
			if _, why := p.Pick(0, 1000, key, nil); why != Picked {
				t.Fatal(why)
			}
		}
	})
}

func TestANewServerOfARunningPoolStartsSlowly(t *testing.T) {
	cfg := Config{Loops: 1, Servers: servers(1), SlowStart: 10_000, Balance: BalanceConfig{Policy: "round_robin"}}
	before := New(cfg, nil)
	cfg.Servers = servers(2)
	after := New(cfg, before)
	if n := shareOf(after, after.Set().Servers[1], 1000); n == 0 || n > 150 {
		t.Errorf("the new server got %d of 1000", n)
	}
}

func TestTheNextTierJoinsBelowTheMinimum(t *testing.T) {
	forEachPolicy(t, func(t *testing.T, policy string) {
		list := servers(4)
		list[2].Priority, list[3].Backup = 1, true
		p := New(Config{Loops: 1, Servers: list, Minimum: 2, Balance: BalanceConfig{Policy: policy}}, nil)
		set := p.Set().Servers
		used := func() (got [4]bool) {
			for key := range uint64(400) {
				s, _ := p.Pick(0, 1, key, nil)
				for i := range set {
					got[i] = got[i] || s == set[i]
				}
			}
			return got
		}
		if got := used(); got[2] || got[3] {
			t.Errorf("with two well: %v", got)
		}
		set[0].SetHealth(Down)
		if got := used(); got[0] || got[3] || policy != "first" && policy != "least_latency" && policy != "least_requests" && !(got[1] && got[2]) {
			t.Errorf("with one well: %v", got)
		}
		set[1].SetHealth(Down)
		if got := used(); got[0] || got[1] || !got[2] && !got[3] {
			t.Errorf("with none of the first tier well: %v", got)
		}
	})
}

func TestBelowThePanicThresholdAllServersAreUsed(t *testing.T) {
	p := New(Config{Loops: 1, Servers: servers(4), Panic: 0.5, Balance: BalanceConfig{Policy: "round_robin"}}, nil)
	set := p.Set().Servers
	set[0].SetHealth(Down)
	set[1].SetHealth(Down)
	if n := shareOf(p, set[0], 1); n != 0 {
		t.Errorf("half are well, and one that is not got %d of 1000", n)
	}
	set[2].SetHealth(Down)
	if n := shareOf(p, set[0], 1); n != 250 {
		t.Errorf("a quarter is well, and one that is not got %d of 1000, want 250", n)
	}
}
