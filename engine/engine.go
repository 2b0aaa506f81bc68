package engine

import (
	"log"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Config sizes an engine. The zero Config means: a loop per processor, the system's best poller.
type Config struct {
	Loops       int                                                      // number of loops; 0: one per processor
	Portable    bool                                                     // goroutines over package net even where epoll is there
	SingleSends bool                                                     // every send is a system call of its own, even where io_uring is there
	Memory      int64                                                    // bytes that all loops together may hold for their peers; 0: no limit
	SlowTurn    time.Duration                                            // the watchdog reports a loop's turn that takes longer; 0: 2 s
	Dial        func(a Address, timeout time.Duration) (net.Conn, error) // on goroutines only, in place of package net
	Door        func(at netip.AddrPort) (Door, error)                    // likewise, for doorways
	Log         func(format string, args ...any)                         // for panics, slow turns, accept pauses; nil: package log
}

// Engine is a set of loops. Its methods may be called from any goroutine.
type Engine struct {
	config  Config
	loops   []*Loop
	started time.Time
	epoch   atomic.Int64 // of the loops' clocks, in microseconds of the time of day; follows when that is set
	stop    chan struct{}
	workers sync.Map // *Workers by workersOf
	working [worksCount]workCounters
	done    sync.WaitGroup

	memory    atomic.Int64 // what all loops may hold for their peers; 0: without limit
	connsMost int64        // descriptors of clients and servers that may be in use when another client is accepted; immutable after New
	dialMost  int64        // likewise when another connection to a server is opened
	room      room

	loopback string    // congestion control within this machine; immutable after New
	stacksAt time.Time // of the watchdog's last report with stacks; owned by watch
}

// New makes an engine and starts its loops.
func New(config Config) (*Engine, error) {
	if config.Loops <= 0 {
		config.Loops = runtime.GOMAXPROCS(0)
	}
	if config.SlowTurn <= 0 {
		config.SlowTurn = 2 * time.Second
	}
	if config.Log == nil {
		config.Log = log.Printf
	}
	e := &Engine{config: config, started: time.Now(), stop: make(chan struct{})}
	e.memory.Store(config.Memory)
	e.followClock()
	e.loopback = loopbackCongestion()
	e.connsMost, e.dialMost = descriptorsMost()
	for i := range config.Loops {
		l := &Loop{Index: i, engine: e, share: 1 << 62}
		if config.Memory > 0 {
			l.share = max(heldLeast, config.Memory/int64(config.Loops))
		}
		l.now = l.clock()
		l.wheel.init(l.now)
		if config.Portable || !hasPoller {
			l.portable = newPortable(l)
		} else if err := l.openPoller(); err != nil {
			e.Close()
			return nil, err
		}
		e.loops = append(e.loops, l)
	}
	if e.loops[0].portable == nil {
		for _, l := range e.loops {
			e.done.Go(l.run)
		}
		e.done.Go(e.watch)
	}
	return e, nil
}

// Open is how many descriptors of connections and files all loops hold, as they said last. Any goroutine.
func (e *Engine) Open() (n int64) {
	for _, l := range e.loops {
		n += l.openSeen.Load()
	}
	return n
}

// Loops returns the loops, in order of their Index.
func (e *Engine) Loops() []*Loop { return e.loops }

// Each runs f on every loop, one after the other, and returns when all have. Not from a loop.
func (e *Engine) Each(f func(l *Loop)) {
	for _, l := range e.loops {
		l.Call(func() { f(l) })
	}
}

// Close stops the loops and waits for them. Connections that are open stay open in the system until the process ends: close them first.
func (e *Engine) Close() {
	close(e.stop)
	for _, l := range e.loops {
		if l.portable == nil {
			l.Post(func() { l.stopped = true })
		}
	}
	e.done.Wait()
	for _, l := range e.loops {
		l.closePoller()
	}
}

// Loop is one core's share of the work: its connections, timers, buffers and counters. All fields and methods belong to code
// that runs on the loop, except Post and Call.
type Loop struct {
	Index int
	Stats Stats

	engine   *Engine
	now      int64 // ms since the engine started, read once per turn
	nowMicro int64
	buffers  buffers
	share    int64 // bytes that buffers.held may be
	wheel    wheel

	current        *coroutine
	moved          int       // bytes that current has read since it was entered
	dials          int       // connections that were begun to be opened in this turn
	dialers        []dialer  // that wait for a turn in which they may
	starts         int       // what GoInTurn has begun in this turn
	starters       []GivenUp // what waits for a turn in which it may begin
	freeCoroutines *coroutine
	idleCoroutines int
	idleLow        int      // the fewest since the last Trim
	trims          []func() // what Trim calls
	spares         []func(list []Spare) []Spare
	keepers        []Keeper
	wanting        [2][]*Signal // dials that wait for a descriptor: for peers that have little under way, and for others
	others         int64        // descriptors held besides connections
	ready          []*coroutine // resumed before the turn ends
	readySpare     []*coroutine
	spawned        []spawn
	spawnedSpare   []spawn
	last           []Runner // begun when all else of the turn has run
	lastSpare      []Runner
	stopped        bool

	posts    posts
	openSeen atomic.Int64  // descriptors held, for other loops
	accepted atomic.Int64  // connections open, or on their way here, that clients have opened: by these, others choose where a new one goes
	turnAt   atomic.Int64  // ms at which the running turn began; 0 between turns
	poller   poller        // epoll
	portable *portableLoop // or goroutines
}

type spawn struct {
	h Handler
	c Conn
	r Runner
}

// Now is the loop's clock: milliseconds since the engine started, monotonic, read once per turn.
func (l *Loop) Now() int64 {
	if l.portable != nil {
		return l.clock()
	}
	return l.now
}

// Micros is the same clock in microseconds, for measuring.
func (l *Loop) Micros() int64 {
	if l.portable != nil {
		return int64(time.Since(l.engine.started) / time.Microsecond)
	}
	return l.nowMicro
}

// Time turns a reading of Micros into the time of day. Only what people and protocols are told is in it: what weir decides, it decides by clocks that nobody
// sets.
func (l *Loop) Time(micros int64) time.Time {
	if l.portable != nil {
		return time.Now().Add(time.Duration(micros-l.Micros()) * time.Microsecond)
	}
	return time.UnixMicro(l.engine.epoch.Load() + micros)
}

// followClock takes over the time of day, which an operator or a time server may have set.
func (e *Engine) followClock() {
	e.epoch.Store(time.Now().UnixMicro() - int64(time.Since(e.started)/time.Microsecond))
}

// Engine returns the engine the loop belongs to.
func (l *Loop) Engine() *Engine { return l.engine }

func (l *Loop) clock() int64 { return int64(time.Since(l.engine.started)/time.Millisecond) + 1 }

func (l *Loop) deadline(d time.Duration) int64 { return l.Now() + int64(d/time.Millisecond) }

// Go runs r on a coroutine of its own, soon.
func (l *Loop) Go(r Runner) {
	if l.portable != nil {
		go l.portable.do(r.Run, r)
		return
	}
	l.spawned = append(l.spawned, spawn{r: r})
}

// GivenUp is work that somebody may have lost interest in before it begins.
type GivenUp interface {
	Runner
	// IsGivenUp reports whether there is next to nothing left to do.
	IsGivenUp() bool
}

// startsMost is how much work a loop begins in one turn that peers have asked for side by side: one connection may ask for hundreds of things at once, and everybody else on the loop
// waits until the turn has ended.
const startsMost = 256

// GoInTurn runs r on a coroutine of its own, soon, and in a later turn if this one has begun enough. What is given up meanwhile keeps nobody waiting.
func (l *Loop) GoInTurn(r GivenUp) {
	if l.portable != nil || l.starts < startsMost {
		l.starts++
		l.Go(r)
		return
	}
	l.starters = append(l.starters, r)
}

// letStart begins a turn: what has waited longest begins, and all that is given up.
func (l *Loop) letStart() {
	l.starts = 0
	if len(l.starters) == 0 {
		return
	}
	rest := l.starters[:0]
	for _, r := range l.starters {
		switch {
		case r.IsGivenUp():
			l.Go(r)
		case l.starts < startsMost:
			l.starts++
			l.Go(r)
		default:
			rest = append(rest, r)
		}
	}
	clear(l.starters[len(rest):])
	l.starters = rest
}

// GoLast runs r on a coroutine of its own at the end of the turn, when all else that is ready has run: what many have collected in a turn
// leaves in one system call.
func (l *Loop) GoLast(r Runner) {
	if l.portable != nil {
		go l.portable.do(r.Run, r)
		return
	}
	l.last = append(l.last, r)
}

// Post runs f on the loop, outside of any coroutine: f must not wait. Any goroutine may call it.
func (l *Loop) Post(f func()) {
	if l.portable != nil {
		go l.portable.do(f, nil)
		return
	}
	l.posts.add(f)
	l.wakePoller()
}

// Call runs f on the loop and returns when it has run. Not from a loop, and not after Close.
func (l *Loop) Call(f func()) {
	done := make(chan struct{})
	l.Post(func() {
		defer close(done)
		f()
	})
	select {
	case <-done:
	case <-l.engine.stop:
	}
}

// posts is the mailbox of a loop.
type posts struct {
	mu   sync.Mutex
	list []func()
}

func (p *posts) add(f func()) {
	p.mu.Lock()
	p.list = append(p.list, f)
	p.mu.Unlock()
}

func (p *posts) take() []func() {
	p.mu.Lock()
	list := p.list
	p.list = nil
	p.mu.Unlock()
	return list
}
