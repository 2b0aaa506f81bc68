package pool

import (
	"sync"
	"testing"
)

// attempt is one attempt on s that ends at once.
func attempt(p *Pool, s *Server, loop int, now int64, outcome Outcome) {
	p.Begin(s, loop)
	p.End(s, loop, now, 100, outcome)
}

func attempts(n int, p *Pool, s *Server, loop int, now int64, outcome Outcome) {
	for range n {
		attempt(p, s, loop, now, outcome)
	}
}

func TestEachFailureCountsAndNothingElse(t *testing.T) {
	for outcome := range outcomeCount {
		p := weighted("", 1, 1)
		s := p.Set().Servers[0]
		attempts(20, p, s, 0, 1000, outcome)
		if want := outcome.IsFailure(); s.IsEjected(1001) != want {
			t.Errorf("20 x %v: ejected %v", outcome, !want)
		}
	}
}

func TestFiveFailuresInARowOverAllLoopsEject(t *testing.T) {
	p := weighted("", 1, 1)
	s := p.Set().Servers[0]
	attempts(2, p, s, 0, 1000, Reset)
	attempts(2, p, s, 1, 1000, ConnectFailed)
	attempt(p, s, 1, 1000, OK)
	attempts(2, p, s, 0, 1000, Timeout)
	attempts(2, p, s, 1, 1000, BadResponse)
	if s.IsEjected(1000) {
		t.Fatal("ejected after four in a row")
	}
	attempt(p, s, 0, 1000, GatewayError)
	if s.EjectedUntil() != 11_000 {
		t.Fatalf("ejected until %d, want 11000", s.EjectedUntil())
	}
	for key := range uint64(100) {
		for loop := range 2 {
			if got, _ := p.Pick(loop, 10_999, key, nil); got == s {
				t.Fatal("picked while ejected")
			}
		}
	}
	other := p.Set().Servers[1]
	for loop := range 2 {
		attempt(p, other, loop, 10_999, OK)
		if got, _ := p.Pick(loop, 11_000, 0, nil); got != s {
			t.Fatal("not tried as soon as the ejection has ended")
		}
		p.Begin(s, loop)
		if got, _ := p.Pick(loop, 11_000, 0, nil); got != other {
			t.Fatal("tried by more than one request at a time")
		}
		p.End(s, loop, 11_001, 100, OK)
	}
	w := traffic{pool: p, now: 11_001, atOnce: 32}
	if w.run(t, 10_000); w.received[s] < 4000 {
		t.Errorf("%d of 10000 requests after the ejection has ended", w.received[s])
	}
}

// What was learnt of a server before checks found it down says nothing of the one that is back: neither its failures, nor how fast it was.
func TestServerThatWasDownIsTriedLikeANewOne(t *testing.T) {
	for name, before := range map[string]Outcome{"it failed": ConnectFailed, "it was fast": OK} {
		p := weighted("", 1, 1)
		s, other := p.Set().Servers[0], p.Set().Servers[1]
		attempt(p, s, 0, 1000, before)
		s.SetHealth(Down)
		attempt(p, other, 0, 1500, OK)
		s.SetHealth(Up)
		if got, _ := p.Pick(0, 2000, 0, nil); got != s {
			t.Errorf("%s: not tried as soon as it is back", name)
		}
		p.Begin(s, 0)
		if got, _ := p.Pick(0, 2000, 0, nil); got != other {
			t.Errorf("%s: tried by more than one request at a time", name)
		}
		p.End(s, 0, 2001, 10, OK)
		best := other.Load(0).latency.asOf(2001)
		if got := s.Load(0).latency.asOf(2001); got != 2*best {
			t.Errorf("%s: its latency is %v µs after one answer of 10, that of the other %v", name, got, best)
		}
	}
}

// Checks end an ejection when they find a server well that they had found down: it is for failures of before. Its next is as long as it would have been.
func TestChecksEndAnEjection(t *testing.T) {
	p := weighted("", 1, 1)
	s := p.Set().Servers[0]
	attempts(5, p, s, 0, 1000, ConnectFailed)
	if s.SetHealth(Up); !s.IsEjected(1500) {
		t.Error("a check that goes on to find it well ends the ejection")
	}
	s.SetHealth(Down)
	if s.SetHealth(Up); s.IsEjected(1500) {
		t.Error("still ejected when it is back")
	}
	attempts(5, p, s, 0, 2000, ConnectFailed)
	if got := s.EjectedUntil(); got != 22_000 {
		t.Errorf("ejected again until %d, want 22000", got)
	}
}

func TestHalfOfTenWithinTenSecondsEject(t *testing.T) {
	alternate := func(n int, step int64) *Server {
		p := weighted("", 1, 1)
		s := p.Set().Servers[0]
		for i := range n {
			attempt(p, s, 0, 1000+int64(i)*step, []Outcome{OK, Reset}[i%2])
		}
		return s
	}
	if s := alternate(9, 100); s.EjectedUntil() != 0 {
		t.Error("ejected after nine requests")
	}
	if s := alternate(10, 100); s.EjectedUntil() == 0 {
		t.Error("not ejected after 5 of 10 failed within a second")
	}
	if s := alternate(10, 1000); s.EjectedUntil() == 0 {
		t.Error("not ejected after 5 of 10 failed within ten seconds")
	}
	if s := alternate(40, 1300); s.EjectedUntil() != 0 {
		t.Error("ejected although there were never ten requests within ten seconds")
	}
}

func TestFewerThanHalfFailingIsBorne(t *testing.T) {
	p := weighted("", 1, 1)
	s := p.Set().Servers[0]
	for i := range 300 {
		attempt(p, s, 0, int64(i)*50, []Outcome{OK, OK, Reset}[i%3])
	}
	if s.EjectedUntil() != 0 {
		t.Error("ejected with a third failing")
	}
}

func TestEjectionsGrowAndAreForgotten(t *testing.T) {
	p := weighted("", 1, 1)
	s := p.Set().Servers[0]
	eject := func(now int64) int64 {
		attempts(5, p, s, 0, now, Reset)
		return s.EjectedUntil() - now
	}
	now := int64(1000)
	for n := int64(1); n <= 40; n++ {
		got := eject(now)
		if want := min(n*10_000, 300_000); got != want {
			t.Fatalf("ejection %d: %d ms, want %d", n, got, want)
		}
		now += got + 1
	}
	if got := eject(now + 60_001); got != 10_000 {
		t.Errorf("after a quiet minute: %d ms, want 10000", got)
	}
}

func TestFailuresWhileEjectedChangeNothing(t *testing.T) {
	p := weighted("", 1, 1)
	s := p.Set().Servers[0]
	attempts(20, p, s, 0, 1000, Reset)
	if s.EjectedUntil() != 11_000 || s.Load(0).Ejections != 1 {
		t.Errorf("ejected until %d, %d times", s.EjectedUntil(), s.Load(0).Ejections)
	}
	attempts(4, p, s, 0, 11_001, Reset)
	if s.IsEjected(11_001) {
		t.Error("what failed before the end of the ejection was counted after it")
	}
}

func TestAtMostHalfAreEjected(t *testing.T) {
	for count, want := range map[int]int{1: 0, 2: 1, 3: 1, 4: 2, 9: 4} {
		p := weighted("", make([]int, count)...)
		ejected := 0
		for _, s := range p.Set().Servers {
			attempts(50, p, s, 0, 1000, ConnectFailed)
			if s.IsEjected(1000) {
				ejected++
			}
		}
		if ejected != want {
			t.Errorf("%d of %d ejected, want %d", ejected, count, want)
		}
	}
}

func TestEjectionCanBeOff(t *testing.T) {
	p := New(Config{Servers: servers(2), Eject: EjectConfig{Off: true}}, nil)
	s := p.Set().Servers[0]
	attempts(50, p, s, 0, 1000, ConnectFailed)
	if s.IsEjected(1000) {
		t.Error("ejected although off")
	}
}

func TestEachRuleCanBeOffAndTheWindowIsConfigurable(t *testing.T) {
	for name, c := range map[string]struct {
		eject    EjectConfig
		outcomes []Outcome // repeated, one each second
		want     bool
	}{
		"no rule for rows":       {EjectConfig{Consecutive: -1, Requests: 1000}, []Outcome{Reset}, false},
		"no rule for the ratio":  {EjectConfig{Ratio: -1}, []Outcome{Reset, OK}, false},
		"a window of 2 s":        {EjectConfig{Window: 2000}, []Outcome{Reset, OK}, false},
		"a window of 20 s":       {EjectConfig{Window: 20_000}, []Outcome{Reset, OK}, true},
		"a tenth of two in 20 s": {EjectConfig{Window: 20_000, Ratio: 0.1, Requests: 2}, []Outcome{OK, OK, OK, OK, Reset}, true},
		"two in a row":           {EjectConfig{Consecutive: 2, Ratio: -1}, []Outcome{OK, Reset, Reset}, true},
	} {
		p := New(Config{Servers: servers(2), Eject: c.eject}, nil)
		s := p.Set().Servers[0]
		for i := range 40 {
			attempt(p, s, 0, int64(i)*1000, c.outcomes[i%len(c.outcomes)])
		}
		if got := s.EjectedUntil() != 0; got != c.want {
			t.Errorf("%s: ejected %v", name, got)
		}
	}
}

func TestAFailingServerLosesItsAppealBeforeItIsEjected(t *testing.T) {
	p := weighted("", 1, 1)
	set := p.Set().Servers
	attempt(p, set[0], 0, 1000, OK)
	attempt(p, set[1], 0, 1000, ConnectFailed) // in no time
	for range 100 {
		if s, _ := p.Pick(0, 1001, 0, nil); s == set[1] {
			t.Fatal("the server that refuses at once looks like the fastest")
		}
	}
}

func TestLoopsEjectAtTheSameTime(t *testing.T) {
	const loops = 4
	for range 50 {
		p := New(Config{Loops: loops, Servers: servers(4)}, nil)
		var group sync.WaitGroup
		for loop := range loops {
			group.Go(func() {
				for i := range 40 {
					now := int64(1000 + i)
					if s, _ := p.Pick(loop, now, 0, nil); s != nil {
						attempt(p, s, loop, now, Reset)
					}
					attempt(p, p.Set().Servers[loop], loop, now, Reset)
				}
			})
		}
		group.Wait()
		ejected := 0
		for _, s := range p.Set().Servers {
			if s.IsEjected(1040) {
				ejected++
			}
		}
		if ejected != 2 {
			t.Fatalf("%d of 4 ejected by four loops at once, want 2", ejected)
		}
	}
}

// mixed gives each server requests of which a share fails, never five in a row.
func mixed(p *Pool, now int64, failing map[int]int) {
	for i := range 400 {
		for j, s := range p.Set().Servers {
			outcome := OK
			if n := failing[j]; n > 0 && i%n == 0 {
				outcome = GatewayError
			}
			attempt(p, s, 0, now+int64(i), outcome)
		}
	}
}

func ejected(p *Pool, now int64) (list []int) {
	for i, s := range p.Set().Servers {
		if s.IsEjected(now) {
			list = append(list, i)
		}
	}
	return list
}

func TestAServerThatFailsMoreThanTheOthersIsAnOutlier(t *testing.T) {
	for name, c := range map[string]struct {
		servers int
		failing map[int]int // server: one of so many requests fails
		want    int
	}{
		"one of six fails a tenth":      {6, map[int]int{2: 10}, 1},
		"all fail a tenth":              {6, map[int]int{0: 10, 1: 10, 2: 10, 3: 10, 4: 10, 5: 10}, 0},
		"one of six fails a hundredth":  {6, map[int]int{2: 100}, 0},
		"one of four fails a tenth":     {4, map[int]int{2: 10}, 0},
		"three of six fail a fifth":     {6, map[int]int{0: 5, 1: 5, 2: 5}, 0},
		"one of twenty fails a seventh": {20, map[int]int{7: 7}, 1},
	} {
		weights := make([]int, c.servers)
		for i := range weights {
			weights[i] = 1
		}
		p := weighted("", weights...)
		mixed(p, 20_000, c.failing)
		mixed(p, 21_500, c.failing)
		if got := ejected(p, 21_900); len(got) != c.want {
			t.Errorf("%s: ejected %v, want %d", name, got, c.want)
		}
	}
}

func TestStatusesThatCount(t *testing.T) {
	p := New(Config{Name: "p", Eject: EjectConfig{Statuses: []Range{{500, 500}, {429, 430}}}}, nil)
	for status, want := range map[int]bool{200: false, 429: true, 430: true, 431: false, 499: false, 500: true, 502: false, 999: false} {
		if p.IsFailure(status) != want {
			t.Errorf("%d: %v", status, !want)
		}
	}
	if p := New(Config{Name: "p"}, nil); !p.IsFailure(502) || !p.IsFailure(504) || p.IsFailure(500) || p.IsFailure(505) {
		t.Error("502 to 504 count by default")
	}
}
