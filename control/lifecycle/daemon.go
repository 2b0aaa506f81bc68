package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/control/handover"
	"github.com/weir-proxy/weir/control/snapshot"
	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/kernel/routing"
	"github.com/weir-proxy/weir/telemetry/accesslog"
	"github.com/weir-proxy/weir/traffic/attempt"
	"github.com/weir-proxy/weir/traffic/exchange"
	"github.com/weir-proxy/weir/traffic/flow"
	"github.com/weir-proxy/weir/traffic/listener"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/pool/health"
	"github.com/weir-proxy/weir/traffic/pool/resolve"
	"github.com/weir-proxy/weir/traffic/tunnel"
)

// Options are what is fixed for a process.
type Options struct {
	Load func() (*config.Config, config.Problems) // reads the configuration, at the start, for each reload and each Plan: changes nothing
	// Prepare does what may fail of what a configuration asks of others than the daemon, before it is taken, and Probe says what would
	// fail; nil: nothing.
	Prepare, Probe func(*config.Config) config.Problems
	File           string       // of the configuration: what outlives a process is found again under its name
	Loops          int          // 0: one per processor
	SingleSends    bool         // no io_uring
	Log            *slog.Logger // nil: slog's default
	// Inherited is what another process has left to this one: sockets that listen already, and what it knew of servers. nil: nothing.
	Inherited *handover.State
	Paused    bool // nothing is accepted before Begin
}

// Daemon is a running weir. Its methods may be called from any goroutine.
type Daemon struct {
	options  Options
	log      *slog.Logger
	engine   *engine.Engine
	driver   *exchange.Driver
	tunnels  *tunnel.Driver
	flows    *flow.Driver
	access   *accesslog.Writer
	resolver *resolve.Resolver
	monitor  *health.Monitor
	started  time.Time

	mu         sync.Mutex // one reload at a time; guards open and reloads
	running    atomic.Pointer[snapshot.Snapshot]
	warnings   atomic.Pointer[config.Problems] // of the running configuration
	open       map[string]*openListener        // by address
	ending     map[*openListener]bool          // dropped, and not at their end yet; guarded by mu
	reloads    int
	refused    int
	stopping   atomic.Bool
	handing    atomic.Bool // another process is taking over, or has
	shared     atomic.Bool // it serves beside this one, which may go on if it fails
	left       atomic.Bool // it has: nothing is accepted here
	receiving  atomic.Bool // the process before this one passes connections on
	watcher    watcher
	before     atomic.Pointer[handover.Orders] // the process before this one, while it leaves; nil: there is none
	paused     bool                            // Options.Paused, until Begin; guarded by mu
	adopted    []string                        // addresses whose sockets were inherited; immutable after Start
	network    network                         // guarded by mu
	operator   operator
	forwarding forwarding
	forwardNow chan struct{} // a check has found a server well, or not
	warmNow    chan struct{} // the pools are others
	wasteNow   chan struct{} // a reload has left much that is not in use
	quit       chan struct{}
	done       sync.WaitGroup
}

// openListener is an address that is listened on.
type openListener struct {
	key     string // its address, as configured
	name    string
	socket  *engine.Listener
	handler *listener.Listener
	quic    *listener.QUIC          // nil: HTTP/3 is not spoken
	isGone  bool                    // nothing of its socket is left here
	hurry   context.CancelCauseFunc // ends its draining, once it was dropped
	drained chan struct{}           // closed when nothing drains it any more
}

// Refused is a configuration that was not taken.
type Refused struct{ Problems config.Problems }

func (r *Refused) Error() string {
	n, problems := len(r.Problems.Errors()), "problems"
	if n == 1 {
		problems = "problem"
	}
	return fmt.Sprintf("the configuration has %d %s; nothing was changed", n, problems)
}

// Start loads the configuration and serves it. Warnings are returned beside the daemon.
func Start(options Options) (*Daemon, config.Problems, error) {
	if options.Log == nil {
		options.Log = slog.Default()
	}
	if options.Loops <= 0 {
		options.Loops = runtime.NumCPU()
	}
	memory := memoryLimit()
	tune(options.Loops, memory)
	d := &Daemon{options: options, log: options.Log, started: time.Now(), paused: options.Paused, open: map[string]*openListener{}, ending: map[*openListener]bool{}, quit: make(chan struct{}), forwardNow: make(chan struct{}, 1), warmNow: make(chan struct{}, 1), wasteNow: make(chan struct{}, 1)}
	e, err := engine.New(engine.Config{Loops: options.Loops, Memory: heldMost(memory), SingleSends: options.SingleSends, Log: func(f string, a ...any) { d.log.Error(fmt.Sprintf(f, a...)) }})
	if err != nil {
		return nil, nil, err
	}
	d.engine = e
	d.forwarding.kept, d.forwarding.file, d.network.file = keptName(options.File), options.File, options.File
	d.driver = exchange.NewDriver(e)
	d.tunnels = tunnel.NewDriver(e, d.driver.Rings())
	d.flows = flow.NewDriver(e, d.driver.Rings())
	d.access = accesslog.NewWriter(d.driver.Rings())
	if options.Inherited != nil {
		d.operator.kept = options.Inherited.Files
	}
	d.resolver = resolve.New(resolve.Config{OnChange: d.nameChanged})
	d.monitor = health.New(health.MonitorConfig{OnChange: d.healthChanged})
	_, problems, err := d.Reload()
	if err != nil {
		d.close()
		return nil, problems, err
	}
	d.dropInherited()
	d.done.Go(d.watchFiles)
	d.done.Go(d.keepWarm)
	d.done.Go(d.giveMemoryBack)
	d.done.Go(d.staple)
	d.done.Go(d.keepForwarding)
	d.done.Go(d.watchPorts)
	return d, problems, nil
}

// wake has what sleeps on c look now.
func wake(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// tune gives every loop a processor of the runtime's own and one or two more to the control plane: a loop waits in raw system calls and
// never gives its processor up.
func tune(loops int, memory int64) {
	runtime.GOMAXPROCS(loops + 1 + min(1, loops/2))
	adaptCollections(memory)
}

// Reload loads the configuration and makes it the running one. On an error nothing has changed. The plan says what did; at the start
// there is none.
func (d *Daemon) Reload() (*api.Plan, config.Problems, error) {
	if before := d.before.Load(); before != nil {
		before.Settle(d.quit)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopping.Load() {
		return nil, nil, errStopping
	}
	if d.handing.Load() {
		return nil, nil, api.ErrHanding
	}
	plan, problems, err := d.reload()
	if err != nil {
		d.refused++
		return nil, problems, err
	}
	d.reloads++
	d.warnings.Store(&problems)
	return plan, problems, nil
}

var errStopping = errors.New("weir is stopping")

func (d *Daemon) reload() (*api.Plan, config.Problems, error) {
	next, problems, err := d.build()
	if err != nil {
		return nil, problems, err
	}
	if err := d.operator.follow(next.Config.Data); err != nil {
		problems = append(problems, next.Config.WarningAt("data", "what was said of servers by drain, disable and weight is lost: %v", err))
	}
	d.operator.apply(next)
	if problems, err = ask(d.options.Prepare, next.Config, problems); err != nil {
		return nil, problems, err
	}
	d.restoreKernel()
	var plan *api.Plan
	if running := d.running.Load(); running != nil {
		plan = newPlan(running, next, d.drains)
	}
	return plan, problems, d.commit(next)
}

// ask adds what another part of the process finds wrong.
func ask(other func(*config.Config) config.Problems, cfg *config.Config, problems config.Problems) (config.Problems, error) {
	if other != nil {
		problems = append(problems, other(cfg)...)
	}
	if len(problems.Errors()) > 0 {
		return problems, &Refused{problems}
	}
	return problems, nil
}

// Plan says what Reload would do, and changes nothing.
func (d *Daemon) Plan() (*api.Plan, config.Problems, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopping.Load() {
		return nil, nil, errStopping
	}
	if d.handing.Load() {
		return nil, nil, api.ErrHanding
	}
	next, problems, err := d.build()
	if err != nil {
		return nil, problems, err
	}
	if problems, err = ask(d.options.Probe, next.Config, problems); err != nil {
		return nil, problems, err
	}
	more, err := d.try(next)
	problems = append(problems, more...)
	if err != nil {
		return nil, problems, err
	}
	return newPlan(d.running.Load(), next, d.drains), problems, nil
}

// build loads the configuration and builds what would run; nothing of it runs yet.
func (d *Daemon) build() (*snapshot.Snapshot, config.Problems, error) {
	cfg, problems := d.options.Load()
	if len(problems.Errors()) > 0 {
		return nil, problems, &Refused{problems}
	}
	if running := d.running.Load(); running != nil && len(running.Config.Sites) > 0 && !cfg.Serves() {
		// A file that an editor has just cut to nothing must not take everything down.
		problems = append(problems, cfg.ProblemAt("sites", "there are no sites, and no listener of layer 4: nothing would be served any more"))
		return nil, problems, &Refused{problems}
	}
	var kept map[string][]byte
	if d.options.Inherited != nil {
		kept = d.options.Inherited.Files
	}
	next, more := snapshot.BuildAfter(kept, cfg, d.running.Load(), d.options.Loops)
	problems = append(append(problems, more...), checkInterfaces(cfg)...)
	if running := d.running.Load(); running != nil && running.Config.Data != cfg.Data { // a start says what it cannot keep
		problems = append(problems, checkData(cfg)...)
	}
	if next == nil || len(problems.Errors()) > 0 {
		return nil, problems, &Refused{problems}
	}
	return next, problems, nil
}

// commit makes next the running snapshot: first what may fail, then what cannot.
func (d *Daemon) commit(next *snapshot.Snapshot) error {
	previous := d.running.Load()
	if previous == nil {
		d.applyIssuer(next) // the first client is met with what earlier starts have obtained
	}
	opened, err := d.openNew(next)
	if err != nil {
		return err
	}
	if err := d.mayFail(next, previous); err != nil {
		d.closeUnused(opened)
		return err
	}
	for address, o := range opened {
		d.open[address] = o
		d.bringBack(o)
	}
	for _, s := range next.Stores {
		s.Refresh()
	}
	if previous != nil {
		d.applyIssuer(next)
	}
	prepareStays(next)
	d.swapSetups(next)
	d.startBack(opened)
	d.running.Store(next)
	d.limitMemory(int64(next.Config.Limits.Memory))
	if previous != nil {
		wake(d.wasteNow)
	}
	wake(d.forwardNow)
	wake(d.warmNow)
	if previous == nil {
		d.inheritHealth(next)
		d.inheritTickets(next)
		d.warnOfKept(next)
	}
	d.resolver.Watch(next.Pools())
	d.monitor.Watch(next.Checks)
	d.retire(previous, next)
	d.keepOwn(previous, next)
	return nil
}

// applyIssuer has the certificates that weir gets by itself be those of next.
func (d *Daemon) applyIssuer(next *snapshot.Snapshot) {
	wanted := next.Wanted
	wanted.Log = d.log
	next.Issuer.Apply(wanted)
}

// mayFail does what else may fail: what the kernel is told, and where the log goes.
func (d *Daemon) mayFail(next, previous *snapshot.Snapshot) error {
	back := func(err error) error {
		if previous != nil {
			err = errors.Join(err, d.network.apply(previous))
		}
		return err
	}
	if err := d.network.apply(next); err != nil {
		return err
	}
	if err := d.configureLog(next.Config); err != nil {
		return back(err)
	}
	if err := d.forwarding.apply(next); err != nil && !errors.Is(err, routing.ErrUnknown) {
		return back(err)
	}
	return nil
}

// keepOwn settles what is not in the file: the operator's word on servers, and weir's own key.
func (d *Daemon) keepOwn(previous, next *snapshot.Snapshot) {
	for name, to := range next.Destinations {
		if previous != nil && previous.Destinations[name] != nil && previous.Destinations[name].Pool == to.Pool {
			to.Pool.EndOverrides()
		}
	}
	for _, k := range next.Keys() {
		if err := k.Save(); err != nil {
			file, _ := k.Kept()
			d.log.Warn("cannot save "+filepath.Base(file)+": make the data directory writable"+k.Instead+", else after a restart "+k.Lost, "data", next.Config.Data, "error", err)
		}
	}
}

// openNew opens the addresses that are not open yet; all or none.
func (d *Daemon) openNew(next *snapshot.Snapshot) (map[string]*openListener, error) {
	opened := map[string]*openListener{}
	for i := range next.Listeners {
		l := &next.Listeners[i]
		for _, a := range l.Addresses {
			key := a.String()
			if d.open[key] != nil || opened[key] != nil {
				continue
			}
			o, err := d.openOne(l, a, overlaps(a, opened))
			if o != nil {
				opened[key] = o
			}
			if err != nil {
				d.closeUnused(opened)
				return nil, fmt.Errorf("listener %s: %w", l.Name, err)
			}
		}
	}
	return opened, nil
}

// swapSetups gives open addresses their new setup and closes those that are not listened on any more.
func (d *Daemon) swapSetups(next *snapshot.Snapshot) {
	wanted := map[string]bool{}
	for i := range next.Listeners {
		l := &next.Listeners[i]
		for _, a := range l.Addresses {
			key := a.String()
			wanted[key] = true
			d.open[key].name = l.Name
			if !a.IsDatagram {
				d.open[key].socket.DeferAccept(l.Setup.Defers())
			}
			d.open[key].handler.Swap(l.Setup)
			d.settleQUIC(d.open[key], a)
		}
	}
	for key, o := range d.open {
		if !wanted[key] {
			d.drop(key, o, d.endOf(next, o))
		}
	}
	d.moveEnding()
}

// retire tells pools that have been replaced, so that connections to servers that are gone end.
func (d *Daemon) retire(previous, next *snapshot.Snapshot) {
	if previous == nil {
		return
	}
	for name, old := range previous.Destinations {
		var now *pool.Pool
		generation := old.Transport.Generation
		if n := next.Destinations[name]; n != nil {
			now, generation = n.Pool, n.Transport.Generation
		}
		if now == old.Pool {
			continue
		}
		servers := old.Pool.Set().Servers
		old.Pool.Retire(now)
		d.engine.Each(func(l *engine.Loop) {
			for _, s := range servers {
				if s.IsGone() {
					attempt.CloseIdle(s.Load(l.Index))
				} else if generation > old.Transport.Generation {
					attempt.Renew(l, s, generation)
				}
			}
		})
	}
}

// logConfig is how the access log is written.
func (d *Daemon) logConfig(cfg *config.Config) (accesslog.WriterConfig, error) {
	a := &cfg.Logs.Access
	line, head, err := snapshot.LogFormat(a)
	c := accesslog.WriterConfig{File: a.File, Format: line, Head: head,
		Log: func(level slog.Level, f string, args ...any) {
			d.log.Log(context.Background(), level, fmt.Sprintf(f, args...))
		}}
	if r := a.Rotate; r != nil {
		c.Rotation = accesslog.Rotation{Size: int64(r.Size), Every: r.Every.Std(), Keep: r.Keep, Compress: r.Compress}
	}
	if a.Off {
		c.File = ""
	}
	return c, err
}

func (d *Daemon) configureLog(cfg *config.Config) error {
	c, err := d.logConfig(cfg)
	if err != nil {
		return err // the configuration has been checked
	}
	return d.access.Configure(c)
}

func (d *Daemon) healthChanged(c health.Change) {
	wake(d.forwardNow)
	if c.To == pool.Down {
		d.endTunnelsTo(c.Pool, c.Server)
	}
	if c.Err != nil {
		d.log.Warn("server is "+c.To.String(), "pool", c.Pool, "server", c.Server.Name, "was", c.From.String(), "error", c.Err)
		return
	}
	d.log.Info("server is "+c.To.String(), "pool", c.Pool, "server", c.Server.Name, "was", c.From.String())
}

func (d *Daemon) nameChanged(name string, records []pool.Record, err error) {
	if err != nil {
		d.log.Warn("name does not resolve; what is known of it stays in use", "name", name, "addresses", len(records), "error", err)
		return
	}
	d.log.Info("name resolved", "name", name, "addresses", len(records))
}

// watchFiles reads certificates again when their files change.
func (d *Daemon) watchFiles() {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-d.quit:
			return
		case <-tick.C:
		}
		if !d.handing.Load() && d.operator.saveLate() { // after that, the file is the other process's
			d.log.Info("what the operator said of servers is kept again: the disk has taken it")
		}
		d.mu.Lock()
		if !d.stopping.Load() { // what a stop has released is not to be put back
			d.restoreNetwork()
		}
		d.mu.Unlock()
		running := d.running.Load()
		running.Issuer.Refresh()
		if running.Tickets.Rotate(time.Now()) {
			running.RotateTickets()
		}
		for _, s := range running.Stores {
			changed, problems := s.Refresh()
			for _, p := range problems {
				d.log.Error("the certificate's files have changed and cannot be used; the one in use stays", "error", p)
			}
			if changed > 0 {
				d.log.Info("certificates read again", "changed", changed)
			}
		}
	}
}

func (d *Daemon) close() {
	close(d.quit)
	d.monitor.Close()
	d.resolver.Close()
	if running := d.running.Load(); running != nil {
		running.Issuer.Close()
	}
	d.done.Wait()
	d.engine.Close()
	d.access.Close()
	if err := d.forwarding.close(); err != nil {
		d.log.Error("the kernel could not be told to forward nothing more", "error", err)
	}
	if err := d.network.close(d.handing.Load()); err != nil {
		d.log.Error("what was set up in the network could not all be taken back", "error", err)
	}
}

// Config is the running configuration.
func (d *Daemon) Config() *config.Config { return d.running.Load().Config }

// Snapshot is what runs.
func (d *Daemon) Snapshot() *snapshot.Snapshot { return d.running.Load() }
