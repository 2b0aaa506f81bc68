package pool

// newLeastLatency prefers the server that answers fastest, counting what already waits there: latency x (1 + in flight).
func newLeastLatency(t *tier, _ BalanceConfig) balancer { return &least{t, latencyCost} }

// latencyCost takes the weight by the in-flight part alone, so that idle servers of different weight cost the same and
// share by draw, and busy ones hold requests in proportion to their weights.
func latencyCost(m *member, l *perLoop) float64 {
	load := m.loads[l.loop]
	waiting := float64(load.InFlight) / m.share
	if load.latency.micros == 0 {
		// A new server gets one request at a time until its latency is known: tried at once, but not by a herd.
		return waiting * unknownPenalty
	}
	return load.latency.asOf(l.now) * (1 + waiting)
}
