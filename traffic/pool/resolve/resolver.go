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
	ctx    context.Context // ends with Close
	stop   context.CancelFunc
	asked  chan *pool.Pool // work waits for a name of that pool
	kick   chan struct{}   // the schedule has changed
	begin  sync.Once       // the goroutine that keeps the schedule

	mu      sync.Mutex // guards the fields below, and what they lead to
	watched map[pool.Target]*watch
	told    map[*pool.Pool]*told // the running pools
	lines   [lineCount]line
	running sync.WaitGroup
}

// watch is one name and what is known of it. Guarded by Resolver.mu but for lookup, which belongs to the look-up in flight.
type watch struct {
	target  pool.Target
	pools   []*pool.Pool // that have the name
	ctx     context.Context
	stop    context.CancelFunc
	records []pool.Record
	isKnown bool

	lookup   *lookup
	failures int  // in a row
	none     gone // since when the name has had no address

	line  lineKind
	at    time.Time // of the next look-up
	ended time.Time // the last one
	index int       // in the heap of its line; -1: a look-up is in flight, or the name is not watched any more
	abort func()    // ends the look-up in flight
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
	r := &Resolver{config: c, asked: make(chan *pool.Pool, askedMost), kick: make(chan struct{}, 1),
		watched: map[pool.Target]*watch{}, told: map[*pool.Pool]*told{}}
	r.ctx, r.stop = context.WithCancel(context.Background())
	return r
}

// Watch replaces the pools whose names are kept up to date. Names that were watched before go on without a new query; pools
// get at once what is known of theirs.
func (r *Resolver) Watch(pools []*pool.Pool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range r.watched {
		w.pools = nil
	}
	before := r.told
	r.told = map[*pool.Pool]*told{}
	for _, p := range pools {
		p.OnWanted(func() { r.hurry(p) })
		if r.told[p] = before[p]; r.told[p] == nil {
			r.told[p] = &told{news: map[*watch]bool{}}
		}
		r.add(p)
	}
	for t, w := range r.watched {
		if len(w.pools) == 0 {
			r.remove(w)
			delete(r.watched, t)
		}
	}
	r.wake()
}

// add watches the names of a pool, and tells it what is known of them. r.mu is held.
func (r *Resolver) add(p *pool.Pool) {
	known := map[pool.Target][]pool.Record{}
	for _, t := range p.Targets() {
		w := r.watched[t]
		if w == nil {
			w = r.start(t)
		} else if w.isKnown {
			known[t] = w.records
		}
		w.pools = append(w.pools, p)
	}
	p.SetAnswers(known)
}

func (r *Resolver) start(t pool.Target) *watch {
	w := &watch{target: t, at: time.Now(), lookup: &lookup{config: r.config, hosts: map[string]*host{}}}
	w.ctx, w.stop = context.WithCancel(r.ctx)
	r.watched[t] = w
	r.lines[w.line].push(w)
	r.begin.Do(func() { r.running.Go(r.schedule) })
	return w
}

// remove ends the look-ups of a name. r.mu is held.
func (r *Resolver) remove(w *watch) {
	w.stop()
	if w.index >= 0 {
		r.lines[w.line].remove(w)
	}
}

// Close ends all look-ups and returns when their goroutines have ended. The pools keep what they have.
func (r *Resolver) Close() {
	r.Watch(nil)
	r.stop()
	r.running.Wait()
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

// finished takes what a look-up found, and says when the next one is. An error changes nothing for the pools, unless it has said for long enough that there is no
// address any more.
func (r *Resolver) finished(w *watch, records []pool.Record, ttl time.Duration, err error) {
	r.mu.Lock()
	if w.ctx.Err() != nil {
		r.mu.Unlock()
		return
	}
	wasFailing := w.failures > 0
	isNews := !wasFailing
	isGone := w.none.is(err, r.config.Gone) && len(w.records) > 0
	if isGone {
		records = nil
	}
	if err == nil || isGone {
		isNews = isGone || wasFailing || !w.isKnown || !slices.Equal(w.records, records)
		w.records, w.isKnown = records, true
		r.tell(w)
	}
	wait := min(max(ttl, r.config.TTLMin), r.config.TTLMax)
	if err != nil {
		wait = retryAfter(r.config.Retry, w.failures)
		w.failures++
	} else {
		w.failures = 0
	}
	w.ended = time.Now()
	w.at = w.ended.Add(wait)
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
