package pool

// Status is a pool's counters summed over loops. The reader takes one from NewStatus, has CopyLoop called on each loop, one
// after the other or under its own lock, and then reads it.
type Status struct {
	Set     *Set
	Servers []ServerStatus // of Set.Servers, in that order
	Waiting int            // requests in the queue
	Queue   QueueCounters

	pool *Pool
}

// ServerStatus is one server's sums.
type ServerStatus struct {
	Server   *Server
	InFlight int32
	Latency  float64 // µs: the highest of the loops' averages; 0 if not known
	Counters

	MaxRequests   int   // as configured; 0: no limit
	AdaptiveLimit int32 // while the server is found overloaded; 0: it is not
}

// NewStatus is an empty status of the servers of the moment.
func (p *Pool) NewStatus() *Status {
	st := &Status{Set: p.Set(), Waiting: int(p.shared.waiting.used.Load()), pool: p}
	for _, s := range st.Set.Servers {
		st.Servers = append(st.Servers, ServerStatus{Server: s, MaxRequests: st.Set.maxRequests(s), AdaptiveLimit: s.overload.limit.Load()})
	}
	return st
}

// CopyLoop adds what one loop counted; it must be called on that loop.
func (st *Status) CopyLoop(loop int, now int64) {
	q := &st.pool.loops[loop].QueueCounters
	st.Queue.Queued += q.Queued
	for i := range q.Shed {
		st.Queue.Shed[i] += q.Shed[i]
	}
	for i := range st.Servers {
		to, from := &st.Servers[i], st.Servers[i].Server.loads[loop]
		to.InFlight += from.InFlight
		to.Latency = max(to.Latency, from.latency.asOf(now))
		to.Counters.add(&from.Counters)
	}
}
