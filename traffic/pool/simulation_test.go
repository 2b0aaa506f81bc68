package pool

import (
	"container/heap"
	"math/rand/v2"
	"slices"
	"testing"
)

// simulation is 4000 requests a second over four servers in virtual time, as in brpc's benchmark of balancers: a server takes
// 300 µs on average and some take 5 ms more. Two loops, each seeing half of the traffic.
type simulation struct {
	pool      *Pool
	slow      int // servers that take longer
	random    *rand.Rand
	flying    ends
	latencies []int64
}

// end is an attempt on its way.
type end struct {
	at, latency int64 // µs
	loop        int
	server      *Server
}

// newSimulation has everything drawn from fixed seeds.
func newSimulation(policy string, slow int) *simulation {
	p := weighted(policy, 1, 1, 1, 1)
	for i, l := range p.loops {
		l.random.Seed(uint64(i), 7)
	}
	return &simulation{pool: p, slow: slow, random: rand.New(rand.NewPCG(1, 2))}
}

type ends []end

func (e ends) Len() int           { return len(e) }
func (e ends) Less(i, j int) bool { return e[i].at < e[j].at }
func (e ends) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *ends) Push(x any)        { *e = append(*e, x.(end)) }
func (e *ends) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// p99 runs for so many requests and is the 99th percentile of their latencies in µs.
func (m *simulation) p99(requests int) int64 {
	servers := m.pool.Set().Servers
	now := 0.0
	for i := range requests {
		now += m.random.ExpFloat64() * 250
		m.endUntil(int64(now))
		loop := i % 2
		s, _ := m.pool.Pick(loop, int64(now)/1000, m.random.Uint64(), nil)
		m.pool.Begin(s, loop)
		latency := int64(100 + 200*m.random.ExpFloat64())
		if slices.Index(servers, s) < m.slow {
			latency += 5000
		}
		heap.Push(&m.flying, end{int64(now) + latency, latency, loop, s})
		m.latencies = append(m.latencies, latency)
	}
	slices.Sort(m.latencies)
	return m.latencies[len(m.latencies)*99/100]
}

func (m *simulation) endUntil(now int64) {
	for len(m.flying) > 0 && m.flying[0].at <= now {
		e := heap.Pop(&m.flying).(end)
		m.pool.End(e.server, e.loop, e.at/1000, e.latency, OK)
	}
}

func TestSlowServersDoNotMakeTheTail(t *testing.T) {
	for slow := range 3 {
		fast, even := newSimulation("least_latency", slow).p99(40_000), newSimulation("round_robin", slow).p99(40_000)
		t.Logf("%d of 4 slow: p99 of least_latency %d µs, of round_robin %d µs", slow, fast, even)
		if limit := int64(1500); fast > limit {
			t.Errorf("%d of 4 servers slow: p99 %d µs, want at most %d", slow, fast, limit)
		}
		if slow > 0 && even < 5000 {
			t.Errorf("%d of 4 servers slow: round_robin's p99 is %d µs: the simulation shows nothing", slow, even)
		}
	}
}

func TestEqualServersShareTheLoad(t *testing.T) {
	m := newSimulation("least_latency", 0)
	m.p99(40_000)
	for _, s := range m.pool.Set().Servers {
		if n := s.Load(0).Requests + s.Load(1).Requests; n < 6000 || n > 14_000 {
			t.Errorf("%v received %d of 40000 requests", s.Address, n)
		}
	}
}
