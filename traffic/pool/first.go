package pool

// first takes the first server of the configuration that can be chosen: the others stand by.
type first struct{ *tier }

func newFirst(t *tier, _ BalanceConfig) balancer { return first{t} }

func (b first) pick(l *perLoop) *member { return b.next(l, 0) }
