package pool

// balancer chooses among the members of a tier. Immutable after build and shared by all loops; what it has to remember is
// in the perLoop. pick returns nil if no member is taken by l.takes, and never one that is not.
type balancer interface {
	pick(l *perLoop) *member
}

// policies is the family of balancers; a new one is a file and a row.
var policies = []struct {
	name  string
	build func(t *tier, c BalanceConfig) balancer
}{
	{"least_latency", newLeastLatency},
	{"round_robin", newRoundRobin},
	{"least_requests", newLeastRequests},
	{"random", newRandom},
	{"hash", newHash},
	{"maglev", newMaglev},
	{"first", newFirst},
	{"prequal", newPrequal},
}

// Policies are the words that BalanceConfig.Policy takes, the default first.
func Policies() []string {
	names := make([]string, len(policies))
	for i := range policies {
		names[i] = policies[i].name
	}
	return names
}

func newBalancer(t *tier, c BalanceConfig) balancer {
	for _, p := range policies {
		if p.name == c.Policy {
			return p.build(t, c)
		}
	}
	panic("BUG: no balancing policy " + c.Policy)
}
