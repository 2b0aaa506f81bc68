package resolve

import (
	"context"
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
	return &Resolver{config: c, watched: map[pool.Target]*watch{}}
}

// Watch replaces the pools whose names are kept up to date. Names that were watched before go on without a new query; pools
// get at once what is known of theirs.
func (r *Resolver) Watch(pools []*pool.Pool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pools = pools
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
	w := &watch{target: t, stop: stop}
	r.watched[t] = w
	r.running.Go(func() { r.follow(ctx, w) })
}

// follow looks the name up until ctx ends.
func (r *Resolver) follow(ctx context.Context, w *watch) {
	l := &lookup{config: r.config, hosts: map[string]*host{}}
	failures := 0
	for ctx.Err() == nil {
		records, ttl, err := l.resolve(ctx, w.target)
		if ctx.Err() != nil {
			return
		}
		r.publish(ctx, w, records, err, failures > 0)
		wait := min(max(ttl, r.config.TTLMin), r.config.TTLMax)
		if err != nil {
			wait = retryAfter(r.config.Retry, failures)
			failures++
		} else {
			failures = 0
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// publish tells the pools; an error changes nothing for them.
func (r *Resolver) publish(ctx context.Context, w *watch, records []pool.Record, err error, wasFailing bool) {
	r.mu.Lock()
	if ctx.Err() != nil {
		r.mu.Unlock()
		return
	}
	isNews := !wasFailing
	if err == nil {
		isNews = wasFailing || !w.isKnown || !slices.Equal(w.records, records)
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
