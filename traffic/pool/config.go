package pool

// Config says what a pool is made of. Zero means default everywhere.
type Config struct {
	Name    string
	Loops   int // loops that pick from it; 1 by default
	Servers []ServerConfig
	Balance BalanceConfig
	Eject   EjectConfig
	Retries RetryConfig
	Limits  LimitConfig
	Queue   QueueConfig

	Original bool // the servers are where clients wanted to go; there are no Servers

	SlowStart int64   // milliseconds over which a server that is new in a running pool, or well again, gets up to its share; 0: at once
	Minimum   int     // servers of the tiers in use that have to be well, or the next tier joins; 1 by default
	Panic     float64 // share of the servers that have to be up; below it all are used as if they were. 0: never

	Seed uint64 // of what is drawn, so that a simulation is the same each time; 0: at random
}

// ServerConfig is one server as the operator wrote it; a name stands for every address behind it.
type ServerConfig struct {
	Name     string // unique within the pool; Address by default
	Address  string // what ParseTarget takes
	Weight   int    // share of the load beside its neighbours; 1 by default
	Priority int    // servers of a higher number are used only if none of a lower one can be; 0 is first
	Backup   bool   // used only if none of the others can be, whatever their priority
	Drain    bool   // gets no new work

	MaxRequests    int // in flight over all loops; 0: no limit
	MaxConnections int // open over all loops, idle ones included; 0: LimitConfig.ServerConnections
}

// LimitConfig bounds what is under way, exactly and over all loops. Zero is no limit.
type LimitConfig struct {
	Requests          int // in flight at all servers together
	Connections       int // open to all servers together
	ServerConnections int // open to each server that says nothing of its own

	AdaptiveOff bool // servers get all that comes, also what would only wait there
}

// QueueConfig says how requests wait while all servers are at their limit.
type QueueConfig struct {
	Off    bool
	Length int   // requests that wait at a time, over all loops; 1000 by default
	Wait   int64 // milliseconds that one may wait; 1 s by default
}

// BalanceConfig names the policy that chooses among the servers that can be chosen.
type BalanceConfig struct {
	Policy string  // a name of Policies; least_latency by default
	Bound  float64 // hash only: no server above Bound x its fair share of requests in flight; 1.25 by default, no bound if negative
}

// EjectConfig says when a server that fails real traffic is left alone for a while.
type EjectConfig struct {
	Off         bool
	Consecutive int     // failures in a row, over all loops; 5 by default, negative: this rule is off
	Ratio       float64 // share of failures within Window on one loop; 0.5 by default, negative: this rule is off
	Requests    int     // requests needed before Ratio counts; 10 by default
	Window      int64   // milliseconds; 10 s by default
	Base        int64   // milliseconds of the first ejection, times n for the nth; 10 s by default
	Max         int64   // milliseconds of the longest ejection; 5 min by default
	Quiet       int64   // milliseconds without ejection after which n starts again; 60 s by default
	Share       float64 // share of the set that may be ejected at a time; 0.5 by default
	Deviation   float64 // standard deviations below the mean of all servers' success rates; 1.9 by default, negative: this rule is off
	Volume      int     // requests within Window, over all loops, below which a server's rate says nothing; 100 by default
	Statuses    []Range // answers that are failures; 502 to 504 by default
}

// Range is statuses from the first to the last.
type Range struct{ First, Last int }

// RetryConfig bounds retries, so that they never multiply the load on servers that are already in trouble.
type RetryConfig struct {
	Share     float64 // retries per request; 0.2 by default, none if negative
	PerSecond float64 // retries per second that are always allowed, over all loops; 3 by default, none if negative
}

const defaultPolicy = "least_latency"

func (c Config) withDefaults() Config {
	c.Loops = or(c.Loops, 1)
	c.Balance.Policy = or(c.Balance.Policy, defaultPolicy)
	c.Balance.Bound = or(c.Balance.Bound, 1.25)
	c.Eject = c.Eject.withDefaults()
	c.Queue.Length = or(c.Queue.Length, 1000)
	c.Queue.Wait = or(c.Queue.Wait, 1000)
	c.Retries = c.Retries.withDefaults()
	return c
}

func (r RetryConfig) withDefaults() RetryConfig {
	r.Share = max(or(r.Share, 0.2), 0)
	r.PerSecond = max(or(r.PerSecond, 3), 0)
	return r
}

// isLimited reports whether anything is limited over all loops.
func (c *Config) isLimited() bool {
	l := &c.Limits
	limited := l.Requests > 0 || l.Connections > 0 || l.ServerConnections > 0
	for i := range c.Servers {
		limited = limited || c.Servers[i].MaxRequests > 0 || c.Servers[i].MaxConnections > 0
	}
	return limited
}

func (e EjectConfig) withDefaults() EjectConfig {
	e.Consecutive = or(e.Consecutive, 5)
	e.Ratio = or(e.Ratio, 0.5)
	e.Requests = or(e.Requests, 10)
	e.Window = max(or(e.Window, 10_000), windowSlots)
	e.Base = or(e.Base, 10_000)
	e.Max = or(e.Max, 300_000)
	e.Quiet = or(e.Quiet, 60_000)
	e.Share = or(e.Share, 0.5)
	e.Deviation = or(e.Deviation, 1.9)
	e.Volume = or(e.Volume, 100)
	if e.Statuses == nil {
		e.Statuses = []Range{{502, 504}}
	}
	return e
}

func or[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}
