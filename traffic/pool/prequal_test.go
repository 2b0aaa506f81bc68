package pool

import "testing"

// busy gives a server of loop 0 so many requests in flight and a latency that is known at that load.
func busy(p *Pool, s *Server, inFlight int, micros int64) {
	for range inFlight + 1 {
		p.Begin(s, 0)
	}
	p.End(s, 0, 1000, micros, OK)
}

func TestPrequalTakesTheFastestOfTheColdServers(t *testing.T) {
	p := weighted("prequal", 1, 1, 1, 1)
	set := p.Set().Servers
	busy(p, set[0], 9, 100) // the fastest, and hot
	busy(p, set[1], 1, 900)
	busy(p, set[2], 2, 300)
	busy(p, set[3], 1, 700)
	for range 100 {
		if s, _ := p.Pick(0, 1001, 0, nil); s != set[2] {
			t.Fatalf("picked %v", s.Address)
		}
	}
	set[1].SetHealth(Down)
	set[2].SetHealth(Down)
	set[3].SetHealth(Down)
	if s, _ := p.Pick(0, 1001, 0, nil); s != set[0] {
		t.Errorf("the hot one alone is well, and %v was picked", s)
	}
}

func TestPrequalTakesTheLeastLoadedIfAllThatCanBeTakenAreHot(t *testing.T) {
	p := weighted("prequal", 1, 1, 1, 1)
	set := p.Set().Servers
	busy(p, set[0], 9, 100)
	busy(p, set[1], 8, 900)
	busy(p, set[2], 1, 300)
	busy(p, set[3], 1, 300)
	tried := new(Tried)
	tried.Add(set[2])
	tried.Add(set[3])
	for range 100 {
		if s, _ := p.Pick(0, 1001, 0, tried); s != set[1] {
			t.Fatalf("picked %v", s.Address)
		}
	}
}

func TestLatencyIsTheOneAtTheNextKnownLoad(t *testing.T) {
	var known latencyByLoad
	if known.at(3) != 0 {
		t.Error("known without an answer")
	}
	known.observe(0, 100)
	known.observe(40, 5000)
	for inFlight, want := range map[int32]float32{0: 100, 1: 100, 3: 100, 30: 5000, 40: 5000, 1 << 30: 5000} {
		if got := known.at(inFlight); got != want {
			t.Errorf("with %d in flight: %v µs, want %v", inFlight, got, want)
		}
	}
}
