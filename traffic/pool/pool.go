package pool

import (
	"math"
	"sync"
	"sync/atomic"
)

// Pool is a named set of servers with its balancing. Immutable after New but for the Set.
type Pool struct {
	Name string

	config  Config
	targets []Target // of config.Servers
	names   []Target // of those, the names, each once
	set     atomic.Pointer[Set]
	loops   []*perLoop
	shared  *shared

	isLimited  bool       // a server or the pool has limits that all loops share
	asksByLoad bool       // the policy goes by latencies at the present load
	failing    [16]uint64 // statuses that are failures, a bit each

	slotWidth  int64 // of the ejection window, ms
	isEjecting atomic.Bool

	mu        sync.Mutex // control plane only: guards what a new Set is made from
	answers   map[Target][]Record
	overrides map[string]Override // by the servers' configured names; replaced whole
	onChange  []func(*Set)
	onSet     func(*Set)

	onWanted atomic.Pointer[func()]
}

// New builds the pool and takes over the live state of the previous one, if there is one with the same number of loops. It
// changes nothing in previous, so a snapshot that is given up leaves no trace. The addresses of cfg.Servers have been checked
// with ParseTarget.
func New(cfg Config, previous *Pool) *Pool {
	p := &Pool{Name: cfg.Name, config: cfg.withDefaults(), answers: map[Target][]Record{}}
	p.slotWidth = p.config.Eject.Window / windowSlots
	for _, r := range p.config.Eject.Statuses {
		for status := r.First; status <= r.Last; status++ {
			p.failing[status/64] |= 1 << (status % 64)
		}
	}
	for _, s := range cfg.Servers {
		target, err := ParseTarget(s.Address)
		if err != nil {
			panic("BUG: pool " + cfg.Name + ": " + err.Error())
		}
		p.targets = append(p.targets, target)
	}
	p.names = namesAmong(p.targets)
	p.isLimited = p.config.isLimited()
	p.asksByLoad = p.config.Balance.Policy == "prequal"
	var known []*Server
	if previous != nil && previous.config.Loops == p.config.Loops {
		known = previous.Set().Servers
		p.loops, p.shared = previous.loops, previous.shared
		p.adopt(previous)
	} else {
		p.shared = newShared(p.config.Loops)
		for i := range p.config.Loops {
			p.loops = append(p.loops, newPerLoop(i, p.config.Seed))
		}
	}
	p.set.Store(p.build(known))
	return p
}

// Set is the servers of the moment. Any goroutine or loop may call it.
func (p *Pool) Set() *Set { return p.set.Load() }

// Budget is the loop's retry budget; only that loop may touch it.
func (p *Pool) Budget(loop int) *RetryBudget {
	b := &p.loops[loop].budget
	b.share, b.perMs = p.config.Retries.Share, p.config.Retries.PerSecond/1000/float64(p.config.Loops)
	return b
}

// Pick chooses a server for an attempt, or says why there is none. key is what the hashing policies go by; tried may be nil
// and is borrowed. Servers that are down, drained or tried are never chosen; ejected ones only if there is no other.
func (p *Pool) Pick(loop int, now int64, key uint64, tried *Tried) (*Server, Reason) {
	set, l := p.set.Load(), p.loops[loop]
	l.now, l.key, l.tried, l.ejectedUntilMax, l.sawFull = now, key, tried, now, false
	l.slowStart, l.hurries = p.config.SlowStart, p.config.SlowStart == 0
	l.panics = p.config.Panic > 0 && set.share(l) < p.config.Panic
	m := set.pick(l)
	if m == nil && !l.sawFull && !l.hurries {
		l.hurries = true
		m = set.pick(l)
	}
	if m == nil && !l.sawFull {
		l.ejectedUntilMax = math.MaxInt64
		m = set.pick(l)
	}
	l.picked = m
	if m == nil {
		reason := set.why(l)
		if reason == NotResolved {
			p.want(l)
		}
		l.tried = nil
		return nil, reason
	}
	l.tried = nil
	return m.Server, Picked
}

// pick asks the tiers in their order. A tier that is only full is waited for: the next one stands by for servers that are not well.
func (s *Set) pick(l *perLoop) *member {
	first := 0
	if s.minimum > 1 && len(s.tiers) > 1 {
		first = s.joined(l)
	}
	for i := first; i < len(s.tiers); i++ {
		t := &s.tiers[i]
		if s.minimum > 1 {
			t = &s.upTo[i]
		}
		if m := t.balancer.pick(l); m != nil || l.sawFull {
			return m
		}
	}
	return nil
}

// joined is the last tier that has to work with those before it for a minimum of servers to be well.
func (s *Set) joined(l *perLoop) int {
	well := 0
	for i := range s.tiers {
		if well += s.tiers[i].well(l); well >= s.minimum {
			return i
		}
	}
	return len(s.tiers) - 1
}

// share is how much of the set is well.
func (s *Set) share(l *perLoop) float64 {
	well, all := 0, 0
	for i := range s.tiers {
		well += s.tiers[i].well(l)
		all += len(s.tiers[i].members)
	}
	return float64(well) / float64(max(1, all))
}

// well is how many members are up and not ejected.
func (t *tier) well(l *perLoop) (n int) {
	for i := range t.members {
		if m := &t.members[i]; m.blocked.Load() == 0 && m.ejectedUntil.Load() <= l.now {
			n++
		}
	}
	return n
}

// Begin counts an attempt to s; each is followed by exactly one End with the same pool.
func (p *Pool) Begin(s *Server, loop int) {
	load := s.loads[loop]
	load.InFlight++
	load.Requests++
	p.loops[loop].inFlight++
}

// End counts how the attempt went: latencyMicros is the time to the head of the answer. It may eject the server.
func (p *Pool) End(s *Server, loop int, now, latencyMicros int64, outcome Outcome) {
	load := s.loads[loop]
	load.InFlight--
	load.Outcomes[outcome]++
	p.loops[loop].inFlight--
	if outcome == Cancelled {
		return
	}
	wasAway := load.renew(s)
	switch {
	case outcome.IsFailure():
		load.latency.fail(now, float64(latencyMicros))
		if p.asksByLoad {
			load.knownByLoad().raise(load.InFlight, load.latency.micros)
		}
		p.failed(s, loop, now)
	default:
		if wasAway {
			load.latency = latency{2 * p.bestKnown(loop, now), now}
		}
		load.latency.observe(now, float64(latencyMicros))
		if p.asksByLoad {
			load.knownByLoad().observe(load.InFlight, float64(latencyMicros))
		}
		if !p.config.Limits.AdaptiveOff {
			load.learn(s, loop, now, latencyMicros)
		} else if s.share.Load() != 0 {
			s.share.Store(0) // a reload turned it off
		}
		p.succeeded(s, load, now)
	}
}

// bestKnown is the latency in microseconds of the fastest server that the loop knows; 0: none. One that is back answers at once, for nothing waits
// there: were it believed, it would have all requests until they wait there as well, each on a connection of its own.
func (p *Pool) bestKnown(loop int, now int64) (best float64) {
	for _, s := range p.Set().Servers {
		l := s.loads[loop]
		if l.isStale(s) || s.Health() == Down {
			continue
		}
		if micros := l.latency.asOf(now); best == 0 || micros < best {
			best = micros
		}
	}
	return best
}

// Retire marks the servers that are not in next as gone, so that their kept connections are closed; control calls it after
// next has replaced p, with nil if nothing did.
func (p *Pool) Retire(next *Pool) {
	var kept []*Server
	if next != nil {
		kept = next.Set().Servers
	}
	retire(p.Set().Servers, kept)
}
