package resolve

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/weir-proxy/weir/traffic/pool"
)

// Config says where names are looked up. Zero means default everywhere.
type Config struct {
	Servers    []string      // DNS servers as ip:port; those of ResolvConf by default
	ResolvConf string        // /etc/resolv.conf by default; its servers, search list and ndots hold
	Hosts      string        // /etc/hosts by default; a name in it is not asked for
	TTLMin     time.Duration // 1 s by default
	TTLMax     time.Duration // 5 min by default
	Timeout    time.Duration // of one query to one server; 2 s by default
	Retry      time.Duration // from a failure to the next look-up; doubles up to 30 times as much; 1 s by default
	Gone       time.Duration // how long DNS has to say that a name has no address until those that it had are given up; 30 s by default

	// OnChange is told of each name's new addresses, of the first failure after a success (then records is what stays in
	// use) and of the success that ends it. One call at a time for a name; may be nil.
	OnChange func(name string, records []pool.Record, err error)
}

// Resolver watches the names of the running pools. Its methods may be called by any goroutine.
type Resolver struct {
	config Config

	mu      sync.Mutex // guards the fields below, and the order in which pools are told
	pools   []*pool.Pool
	watched map[pool.Target]*watch
	running sync.WaitGroup
}

// watch is one name and what is known of it. records and isKnown are guarded by Resolver.mu.
type watch struct {
	target  pool.Target
	wanted  chan struct{} // somebody waits for it
	stop    context.CancelFunc
	records []pool.Record
	isKnown bool
}

// New makes a resolver that watches nothing yet.
func New(c Config) *Resolver {
	c.ResolvConf = or(c.ResolvConf, "/etc/resolv.conf")
	c.Hosts = or(c.Hosts, "/etc/hosts")
	c.TTLMin = or(c.TTLMin, time.Second)
	c.TTLMax = or(c.TTLMax, 5*time.Minute)
	c.Timeout = or(c.Timeout, 2*time.Second)
	c.Retry = or(c.Retry, time.Second)
	c.Gone = or(c.Gone, 30*time.Second)
	return &Resolver{config: c, watched: map[pool.Target]*watch{}}
}

// Watch replaces the pools whose names are kept up to date. Names that were watched before go on without a new query; pools
// get at once what is known of theirs.
func (r *Resolver) Watch(pools []*pool.Pool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pools = pools
	for _, p := range pools {
		p.OnWanted(func() { r.hurry(p) })
	}
	wanted := map[pool.Target]bool{}
	for _, p := range pools {
		for _, t := range p.Targets() {
			wanted[t] = true
			if w := r.watched[t]; w == nil {
				r.start(t)
			} else if w.isKnown {
				p.SetRecords(t, w.records)
			}
		}
	}
	for t, w := range r.watched {
		if !wanted[t] {
			w.stop()
			delete(r.watched, t)
		}
	}
}

// Close ends all look-ups and returns when their goroutines have ended. The pools keep what they have.
func (r *Resolver) Close() {
	r.Watch(nil)
	r.running.Wait()
}

func (r *Resolver) start(t pool.Target) {
	ctx, stop := context.WithCancel(context.Background())
	w := &watch{target: t, wanted: make(chan struct{}, 1), stop: stop}
	r.watched[t] = w
	r.running.Go(func() { r.follow(ctx, w) })
}

// hurry has names of the pool looked up that failed last time, and whose next turn has not come: work waits for them. It waits for nothing, and may be called from any
// loop.
func (r *Resolver) hurry(p *pool.Pool) {
	if !r.mu.TryLock() {
		return // there will be another call
	}
	defer r.mu.Unlock()
	for _, t := range p.Targets() {
		if w := r.watched[t]; w != nil {
			select {
			case w.wanted <- struct{}{}:
			default:
			}
		}
	}
}

// hurryAfter is the least time between two look-ups of a name for which somebody waits.
const hurryAfter = 250 * time.Millisecond

// pause waits for the next look-up; less, if the last one failed and somebody waits for the name.
func (r *Resolver) pause(ctx context.Context, w *watch, wait time.Duration, failed bool) {
	begun, after := time.Now(), time.NewTimer(wait)
	defer after.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-after.C:
			return
		case <-w.wanted:
			if failed {
				after.Reset(max(0, min(wait, hurryAfter)-time.Since(begun)))
				failed = false // once is enough
			}
		}
	}
}

// follow looks the name up until ctx ends.
func (r *Resolver) follow(ctx context.Context, w *watch) {
	l := &lookup{config: r.config, hosts: map[string]*host{}}
	failures := 0
	var none gone
	for ctx.Err() == nil {
		records, ttl, err := l.resolve(ctx, w.target)
		if ctx.Err() != nil {
			return
		}
		r.publish(ctx, w, records, err, failures > 0, none.is(err, r.config.Gone))
		wait := min(max(ttl, r.config.TTLMin), r.config.TTLMax)
		if err != nil {
			wait = retryAfter(r.config.Retry, failures)
			failures++
		} else {
			failures = 0
		}
		r.pause(ctx, w, wait, err != nil)
	}
}

// gone is since when DNS has said that a name has no address; zero while it has one, or DNS fails.
type gone struct{ since time.Time }

// is takes the outcome of a look-up, and reports whether the name has had no address for long enough.
func (g *gone) is(err error, long time.Duration) bool {
	if !errors.Is(err, errNoAddress) {
		g.since = time.Time{}
		return false
	}
	if g.since.IsZero() {
		g.since = time.Now()
	}
	return time.Since(g.since) >= long
}

// publish tells the pools. An error changes nothing for them, unless it has said for long enough that there is no address any more.
func (r *Resolver) publish(ctx context.Context, w *watch, records []pool.Record, err error, wasFailing, isGone bool) {
	r.mu.Lock()
	if ctx.Err() != nil {
		r.mu.Unlock()
		return
	}
	isNews := !wasFailing
	if isGone = isGone && len(w.records) > 0; isGone {
		records = nil
	}
	if err == nil || isGone {
		isNews = isGone || wasFailing || !w.isKnown || !slices.Equal(w.records, records)
		w.records, w.isKnown = records, true
		for _, p := range r.pools {
			if slices.Contains(p.Targets(), w.target) {
				p.SetRecords(w.target, records)
			}
		}
	}
	records = w.records
	r.mu.Unlock()
	if isNews && r.config.OnChange != nil {
		r.config.OnChange(w.target.Name, records, err)
	}
}

// retryAfter doubles from first to 30 times as much.
func retryAfter(first time.Duration, failures int) time.Duration {
	return min(first<<min(failures, 5), 30*first)
}

func or[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}
