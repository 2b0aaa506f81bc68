package pool

import (
	"math/rand/v2"
	"net/netip"
)

// perLoop is what one loop knows of one pool, and the question it is asking the balancer at the moment. Owned by that loop;
// carried from pool to pool at a reload.
type perLoop struct {
	originals map[netip.AddrPort]*Server // of a pool that goes where clients wanted to go

	loop  int
	now   int64
	asked int64 // when somebody was last told that work waits for a name, ms
	key   uint64
	tried *Tried

	// ejectedUntilMax is now; in the second round it is any time: rather an ejected server than none.
	ejectedUntilMax int64

	// panics: servers that are down are taken too. hurries: servers that start slowly are taken as all others.
	panics, hurries bool
	isLasting       bool // what is placed goes on long after its server has answered
	slowStart       int64

	picked  *member // by the last Pick; nil: none
	sawFull bool    // this Pick passed over a server that is at its limit

	inFlight int32
	cursor   uint64   // round_robin's place in its schedule
	random   rand.PCG // good enough to balance, and no lock
	budget   RetryBudget
	queue    *queue // nil until somebody waits
	inARow   int    // places that the loop kept for its own queue since another got one
	QueueCounters

	_ [128]byte
}

func newPerLoop(loop int, seed uint64) *perLoop {
	l := &perLoop{loop: loop}
	l.random.Seed(or(seed, rand.Uint64()), uint64(loop))
	l.cursor = uint64(loop) // loops start apart, or all would send their first request to the same server
	return l
}

// takes reports whether the server may be chosen in this round.
func (l *perLoop) takes(m *member) bool {
	return (m.blocked.Load() == 0 || l.panics && m.blocked.Load() == blockDown) && m.ejectedUntil.Load() <= l.ejectedUntilMax && (l.tried == nil || !l.tried.Has(m.Server)) &&
		(m.slowSince.Load() == 0 || l.hurries || l.passesSlowly(m.Server)) && l.hasRoom(m)
}

// hasRoom reports whether the limits of the server leave room for one more request of this loop.
func (l *perLoop) hasRoom(m *member) bool {
	switch {
	case m.share.Load() > 0 && m.isHeldBack(l.loop):
		if w := m.loads[l.loop].latencies; w != nil {
			w.isHit = true
		}
	case m.requests == nil || m.requests.hasRoom():
		return true
	}
	l.sawFull = true
	return false
}

// QueueCounters only grow. Owned by their loop.
type QueueCounters struct {
	Queued uint64             // requests that waited
	Shed   [classCount]uint64 // requests refused for want of room, by class
}

// below is a random number in [0, n).
func (l *perLoop) below(n int) int { return int(l.random.Uint64() >> 32 * uint64(n) >> 32) }
