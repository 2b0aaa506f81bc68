package pool

// random draws by weight.
type random struct{ *tier }

func newRandom(t *tier, _ BalanceConfig) balancer { return random{t} }

func (b random) pick(l *perLoop) *member { return b.draw(l) }
