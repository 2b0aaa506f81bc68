package pool

// Load is what one loop knows of one server. Owned by that loop: plain fields, never read from outside it.
type Load struct {
	InFlight int32  // attempts begun and not ended
	returns  uint32 // the server's, when latency was learnt
	latency  latency
	Counters
	Transport any // belongs to traffic/transport: the connections this loop keeps to the server

	window    window
	latencies *latencyWindow // nil until there is something to know
	byLoad    *latencyByLoad // nil unless prequal asks
	// 256 bytes in all, a size class of its own: no other loop writes to the pair of lines the prefetcher fetches together.
}

// isStale reports whether nothing is known of the server as it is now: it is new, or has been away since.
func (l *Load) isStale(s *Server) bool {
	return l.latency.micros == 0 || l.latency.at < s.ejectedUntil.Load() || l.returns != s.returns.Load()
}

// renew forgets what was learnt of the server before it was away, and reports whether there was something. What comes next is learnt of it as it is now.
func (l *Load) renew(s *Server) (wasAway bool) {
	if !l.isStale(s) {
		return false
	}
	wasAway = l.latency.micros != 0
	l.latency, l.returns = latency{}, s.returns.Load()
	if l.byLoad != nil {
		*l.byLoad = latencyByLoad{}
	}
	return wasAway
}

// learn has the server's overload be known by a good answer.
func (l *Load) learn(s *Server, loop int, now, latencyMicros int64) {
	if l.latencies == nil {
		l.latencies = &latencyWindow{since: now}
	}
	l.latencies.observe(s, loop, now, float64(latencyMicros))
}

// knownByLoad is where the latencies by load are kept.
func (l *Load) knownByLoad() *latencyByLoad {
	if l.byLoad == nil {
		l.byLoad = new(latencyByLoad)
	}
	return l.byLoad
}

// Counters only grow. The loop that owns the Load they are in adds to them.
type Counters struct {
	Requests          uint64 // attempts begun
	Retries           uint64 // of those, attempts after the first of their exchange
	ConnectionsOpened uint64
	BytesSent         uint64
	BytesReceived     uint64
	Outcomes          [outcomeCount]uint64 // attempts ended, by outcome
	Ejections         uint64
}

func (c *Counters) add(other *Counters) {
	c.Requests += other.Requests
	c.Retries += other.Retries
	c.ConnectionsOpened += other.ConnectionsOpened
	c.BytesSent += other.BytesSent
	c.BytesReceived += other.BytesReceived
	c.Ejections += other.Ejections
	for i := range c.Outcomes {
		c.Outcomes[i] += other.Outcomes[i]
	}
}
