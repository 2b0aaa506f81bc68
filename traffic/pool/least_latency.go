package pool

// newLeastLatency prefers the server that answers fastest, counting what already waits there: latency x (1 + in flight).
func newLeastLatency(t *tier, _ BalanceConfig) balancer { return &least{tier: t, byLatency: true} }
