package pool

// newLeastRequests prefers the server with the fewest requests of this loop in flight, beside its weight.
func newLeastRequests(t *tier, _ BalanceConfig) balancer { return &least{tier: t} }
