package pool

import "sync/atomic"

// places counts what is under way over all loops. It is what loops share when something is limited, so it has a pair of cache
// lines to itself; without a limit nobody touches it. It lives on through reloads.
type places struct {
	_    [120]byte
	used atomic.Int32
	_    [4]byte
}

// take takes a place, unless most are taken. Exact: no interleaving of loops can exceed most.
func (p *places) take(most int32) bool {
	for {
		n := p.used.Load()
		if n >= most {
			return false
		}
		if p.used.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Bound is the limits of a server and of its pool on the same thing: requests in flight, or connections. Immutable but for the
// places it counts in; whoever took a place gives it back to the Bound it came from, also after a reload.
type Bound struct {
	server, pool         *places
	serverMost, poolMost int32 // 0: no limit
}

// newBound is nil where there is no limit.
func newBound(server, pool *places, serverMost, poolMost int) *Bound {
	if serverMost <= 0 && poolMost <= 0 {
		return nil
	}
	return &Bound{server, pool, int32(max(0, serverMost)), int32(max(0, poolMost))}
}

// Take takes a place of both, or none.
func (b *Bound) Take() bool {
	if b.serverMost > 0 && !b.server.take(b.serverMost) {
		return false
	}
	if b.poolMost > 0 && !b.pool.take(b.poolMost) {
		b.giveServer()
		return false
	}
	return true
}

// Give gives back what Take took.
func (b *Bound) Give() {
	b.giveServer()
	if b.poolMost > 0 {
		b.pool.used.Add(-1)
	}
}

func (b *Bound) giveServer() {
	if b.serverMost > 0 {
		b.server.used.Add(-1)
	}
}

// hasRoom reports whether Take might succeed now.
func (b *Bound) hasRoom() bool {
	return (b.serverMost == 0 || b.server.used.Load() < b.serverMost) && (b.poolMost == 0 || b.pool.used.Load() < b.poolMost)
}

// least0 is the smaller of two limits, of which 0 is none.
func least0(a, b int) int {
	if a <= 0 || b > 0 && b < a {
		return b
	}
	return a
}

// Held is what an attempt holds under the limits of its server and pool. Part of the exchange; the zero value holds nothing.
type Held struct {
	requests    *Bound
	Connections *Bound // of the picked server: what a new connection has to take a place of; nil: no limit
}

// shared is what the loops share of a pool that has limits. Carried from pool to pool at a reload.
type shared struct {
	requests, connections places

	waiting places  // requests that wait, and those that were woken and try again
	lined   []lined // by loop: those that wait
	turn    atomic.Uint32
}

type lined struct {
	n atomic.Int32
	_ [124]byte
}

func newShared(loops int) *shared { return &shared{lined: make([]lined, loops)} }

// nextWaiting is a loop on which a request waits, each in its turn; -1 if there is none.
func (s *shared) nextWaiting() int {
	if s.waiting.used.Load() == 0 {
		return -1
	}
	n := len(s.lined)
	from := int(s.turn.Add(1) % uint32(n))
	for i := range n {
		if loop := (from + i) % n; s.lined[loop].n.Load() > 0 {
			return loop
		}
	}
	return -1
}
