package health

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/weir-proxy/weir/traffic/pool"
)

// MonitorConfig is what all checks share. Zero means default everywhere.
type MonitorConfig struct {
	Dial     Dial         // net.Dialer's by default
	OnChange func(Change) // told of each change of a server's health, from the goroutine of its check; may be nil
}

// Change is a new verdict on a server. Err is the failure that led to Down.
type Change struct {
	Pool     string
	Server   *pool.Server
	From, To pool.Health
	Err      error
}

// Watched is a pool whose servers are to be checked.
type Watched struct {
	Pool *pool.Pool
	Config
}

// Monitor runs the checks of the running snapshot. Its methods may be called by any goroutine.
type Monitor struct {
	config MonitorConfig

	mu       sync.Mutex // guards the fields below, and that a stopped check publishes nothing more
	watched  []Watched
	checkers map[*pool.Server]*checker
	running  sync.WaitGroup
}

// New makes a monitor that checks nothing yet.
func New(c MonitorConfig) *Monitor {
	if c.Dial == nil {
		c.Dial = dial
	}
	return &Monitor{config: c, checkers: map[*pool.Server]*checker{}}
}

// Watch replaces the pools whose servers are checked. Checks of servers that stay go on as they are; a server that is not
// checked any more is unknown again, which counts as up. Servers that come and go by their names are followed.
func (m *Monitor) Watch(pools []Watched) {
	pools = slices.Clone(pools)
	for i := range pools {
		pools[i].Config = pools[i].Config.withDefaults()
		// Not under the lock: the pool calls back while it holds its own.
		if p := pools[i].Pool; !m.watches(p) {
			p.OnChange(func(*pool.Set) { m.followSet(p) })
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.watched = pools
	m.reconcile()
}

// First counts, for each pool, what the first checks of its servers by this monitor found.
func (m *Monitor) First() map[string]First {
	m.mu.Lock()
	defer m.mu.Unlock()
	pools := map[string]First{}
	for _, c := range m.checkers {
		f := pools[c.pool]
		switch c.first.Load() {
		case 1:
			f.Passed++
		case -1:
			f.Failed++
		default:
			f.Waiting++
		}
		pools[c.pool] = f
	}
	return pools
}

// First is a number of servers by what their first check found.
type First struct{ Waiting, Passed, Failed int }

// Close ends all checks and returns when their goroutines have ended. The servers keep their last verdict.
func (m *Monitor) Close() {
	m.mu.Lock()
	m.watched = nil
	for _, c := range m.checkers {
		c.stop()
	}
	clear(m.checkers)
	m.mu.Unlock()
	m.running.Wait()
}

func (m *Monitor) watches(p *pool.Pool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.isWatched(p)
}

func (m *Monitor) isWatched(p *pool.Pool) bool {
	return slices.ContainsFunc(m.watched, func(w Watched) bool { return w.Pool == p })
}

// followSet takes a pool's new set, unless the pool is no longer a running one.
func (m *Monitor) followSet(p *pool.Pool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.isWatched(p) {
		m.reconcile()
	}
}

const (
	// spreadMax is the longest pause between the first checks of two servers, or of two pools.
	spreadMax = 20 * time.Millisecond

	// poolsWithin is when the last of many pools begins its first checks: thousands that begin at once hold up each other, and everything else.
	poolsWithin = time.Second
)

// reconcile makes the checkers those of the watched pools' servers.
func (m *Monitor) reconcile() {
	wanted := map[*pool.Server]bool{}
	pause, begin := min(poolsWithin/time.Duration(max(1, len(m.watched))), spreadMax), time.Duration(0)
	for _, w := range m.watched {
		servers := w.Pool.Set().Servers
		spread := min(w.Every/time.Duration(max(1, len(servers))), spreadMax)
		delay, begins := begin, false
		for _, s := range servers {
			wanted[s] = true
			if m.check(w, s, delay) {
				delay += spread
				begins = true
			}
		}
		if begins {
			begin += pause
		}
	}
	for s, c := range m.checkers {
		if !wanted[s] {
			c.stop()
			delete(m.checkers, s)
			s.SetHealth(pool.Unknown)
		}
	}
}

// check sees to it that the server is checked as w says, and reports whether that took a new checker.
func (m *Monitor) check(w Watched, s *pool.Server, delay time.Duration) bool {
	if c := m.checkers[s]; c != nil {
		if c.config.Load().isSame(w.Config) {
			c.config.Store(&w.Config)
			return false
		}
		c.stop()
	}
	ctx, stop := context.WithCancel(context.Background())
	c := &checker{pool: w.Pool.Name, server: s, stop: stop}
	c.config.Store(&w.Config)
	m.checkers[s] = c
	m.running.Go(func() { c.run(ctx, delay, m) })
	return true
}

// publish tells all loops, and then whoever listens.
func (m *Monitor) publish(ctx context.Context, change Change) {
	m.mu.Lock()
	if ctx.Err() != nil {
		m.mu.Unlock()
		return
	}
	change.Server.SetHealth(change.To)
	m.mu.Unlock()
	if m.config.OnChange != nil {
		m.config.OnChange(change)
	}
}
