package sim

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"

	"github.com/weir-proxy/weir/traffic/pool"
)

// world is a pool, its servers and its clients in virtual time. Times are microseconds.
type world struct {
	pool    *pool.Pool
	loops   int
	servers map[*pool.Server]*server
	list    []*server
	random  *rand.Rand
	now     int64
	events  events
	order   int // of events at the same time

	// What the clients see.
	latencies []int64 // of requests that were served
	shed      int
	shedAfter []int64
	tried     int
	warm      int64 // before this nothing is counted
}

// server is a model of one: so many workers, each with its own time for a request; what finds none waits in a line.
type server struct {
	workers int // 0: as many as there are requests
	takes   func(w *world) float64
	busy    int
	line    []*request
	most    int
}

// request is on its way.
type request struct {
	came    int64
	begun   int64
	loop    int
	client  netip.Addr
	class   pool.Class
	key     uint64
	at      *pool.Server
	held    pool.Held
	waiter  pool.Waiter
	world   *world
	by      int64
	waiting bool
	shed    bool
	done    func(latency int64) // nil: nobody waits for the end
}

type event struct {
	at    int64
	order int
	do    func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].order < e[j].order
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// newWorld makes a pool of so many servers like model.
func newWorld(n, loops int, model server, change func(c *pool.Config)) *world {
	cfg := pool.Config{Name: "sim", Loops: loops, Seed: 7}
	for i := range n {
		cfg.Servers = append(cfg.Servers, pool.ServerConfig{Address: fmt.Sprintf("10.0.%d.%d:80", i/250, i%250+1)})
	}
	if change != nil {
		change(&cfg)
	}
	w := &world{pool: pool.New(cfg, nil), loops: loops, servers: map[*pool.Server]*server{}, random: rand.New(rand.NewPCG(seed, 2))}
	for _, s := range w.pool.Set().Servers {
		m := model
		w.servers[s] = &m
		w.list = append(w.list, &m)
	}
	return w
}

// in has do called after so many microseconds.
func (w *world) in(after int64, do func()) {
	w.order++
	heap.Push(&w.events, event{w.now + after, w.order, do})
}

// run lets time pass until then.
func (w *world) run(until int64) {
	for len(w.events) > 0 && w.events[0].at <= until {
		e := heap.Pop(&w.events).(event)
		w.now = e.at
		e.do()
	}
	w.now = until
}

// poisson sends requests at a rate per second from now until then.
func (w *world) poisson(perSecond float64, until int64, make func(r *request)) {
	gap := int64(w.random.ExpFloat64()*1e6/perSecond + 0.5)
	w.in(gap, func() {
		if w.now >= until {
			return
		}
		w.send(make)
		w.poisson(perSecond, until, make)
	})
}

// closed is n clients that ask, wait for the answer, and ask again.
func (w *world) closed(n int, until int64) {
	for range n {
		var again func(int64)
		again = func(int64) {
			if w.now < until {
				w.send(func(r *request) { r.done = again })
			}
		}
		w.in(w.random.Int64N(1000), func() { again(0) })
	}
}

func (w *world) send(change func(r *request)) {
	r := &request{came: w.now, loop: w.random.IntN(w.loops), key: w.random.Uint64(), class: pool.Default, world: w,
		client: netip.AddrFrom4([4]byte{10, 9, byte(w.random.IntN(250)), byte(w.random.IntN(250))})}
	if change != nil {
		change(r)
	}
	if r.came >= w.warm {
		w.tried++
	}
	if why := r.admit(false); why == pool.Full {
		r.queue()
	}
}

func (r *request) admit(queued bool) pool.Reason {
	w := r.world
	s, why := w.pool.Admit(r.loop, w.now/1000, r.key, nil, queued, &r.held)
	if s != nil {
		r.at, r.begun = s, w.now
		w.servers[s].take(w, r)
	}
	return why
}

// queue does what package exchange does with a request that finds no room.
func (r *request) queue() {
	w := r.world
	r.waiter = pool.Waiter{Client: r.client, Class: r.class, Wake: r}
	if w.pool.QueueWait() == 0 || w.pool.Enqueue(r.loop, w.now/1000, &r.waiter) != pool.Picked {
		r.refused()
		return
	}
	r.waiting, r.by = true, w.now+w.pool.QueueWait()*1000
	r.look()
}

const lookEvery = 100_000

func (r *request) look() {
	w := r.world
	w.in(min(lookEvery, max(r.by-w.now, 1)), func() {
		switch {
		case !r.waiting:
			return
		case w.now >= r.by:
			r.leave(nil)
			r.refused()
			return
		case w.pool.IsNext(r.loop, &r.waiter):
			if r.retry(); !r.waiting {
				return
			}
		}
		r.look()
	})
}

// Wake is called by the pool.
func (r *request) Wake() {
	r.world.in(0, func() {
		switch {
		case !r.waiting:
		case r.waiter.Shed:
			r.leave(nil)
			r.refused()
		default:
			r.retry()
		}
	})
}

func (r *request) retry() {
	if why := r.admit(true); why != pool.Full {
		r.leave(r.at)
	} else if !r.waiter.IsInLine() {
		r.world.pool.Requeue(r.loop, &r.waiter)
	}
}

func (r *request) leave(got *pool.Server) {
	w := r.world
	r.waiting = false
	wasWoken := !r.waiter.IsInLine()
	why := pool.WaitedTooLong
	if got != nil {
		why = pool.Picked
	}
	w.pool.Leave(r.loop, w.now/1000, &r.waiter, why)
	switch {
	case got != nil && w.pool.HasRoom(r.loop, got, &r.held):
		w.wake(r.loop)
	case got == nil && wasWoken:
		w.wake(w.pool.Settle(r.loop, nil, &r.held))
	}
}

func (w *world) wake(loop int) {
	for hops := 0; loop >= 0 && hops < 2*w.loops; hops++ {
		loop = w.pool.WakeNext(loop, w.now/1000)
	}
}

func (r *request) refused() {
	w := r.world
	if r.came >= w.warm {
		w.shed++
		w.shedAfter = append(w.shedAfter, w.now-r.came)
	}
	if r.done != nil {
		w.in(100_000, func() { r.done(0) })
	}
}

func (s *server) take(w *world, r *request) {
	if s.workers > 0 && s.busy >= s.workers {
		s.line = append(s.line, r)
		s.most = max(s.most, len(s.line))
		return
	}
	s.busy++
	w.in(int64(s.takes(w)), func() { s.end(w, r) })
}

func (s *server) end(w *world, r *request) {
	s.busy--
	if len(s.line) > 0 {
		next := s.line[0]
		s.line = s.line[1:]
		s.take(w, next)
	}
	w.pool.End(r.at, r.loop, w.now/1000, w.now-r.begun, pool.OK)
	w.wake(w.pool.Settle(r.loop, r.at, &r.held))
	if r.came >= w.warm {
		w.latencies = append(w.latencies, w.now-r.came)
	}
	if r.done != nil {
		r.done(w.now - r.came)
	}
}

// at is a quantile of the latencies.
func (w *world) at(q float64) int64 { return quantile(w.latencies, q) }

func quantile(list []int64, q float64) int64 {
	if len(list) == 0 {
		return 0
	}
	list = slices.Clone(list)
	slices.Sort(list)
	return list[min(len(list)-1, int(float64(len(list))*q))]
}

func (w *world) mean() float64 {
	sum := 0.0
	for _, l := range w.latencies {
		sum += float64(l)
	}
	return sum / float64(len(w.latencies))
}

// Service times.

func constant(micros float64) func(*world) float64 {
	return func(*world) float64 { return micros }
}

func exponential(mean float64) func(*world) float64 {
	return func(w *world) float64 { return w.random.ExpFloat64() * mean }
}

// seed is of everything that is drawn.
var seed uint64 = 1

const second = int64(1_000_000)
