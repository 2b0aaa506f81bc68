package lifecycle

import (
	"os"
	"slices"
	"time"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/control/snapshot"
	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
)

// answerWithin is how long a loop may take to run what it was given, before it counts as stuck.
const answerWithin = 2 * time.Second

// State is one of the states of package api.
func (d *Daemon) State() string {
	switch {
	case d.engine.Stuck() > 0:
		return api.Stuck
	case d.stopping.Load(), d.left.Load():
		return api.Stopping
	}
	return api.Running
}

// Status gathers what there is to say, by copying on each loop what belongs to it. A loop that does not answer costs the counters
// and not the caller: the Status is then not Complete.
func (d *Daemon) Status() (st *api.Status) {
	defer func() { st.AddLeaving(d.countBefore(time.Now().Add(orderWithin))) }()
	st = &api.Status{IsShared: d.shared.Load(), State: d.State(), PID: os.Getpid(), Started: d.started, UptimeSeconds: time.Since(d.started).Seconds(), StuckLoops: d.engine.Stuck()}
	if warnings := d.warnings.Load(); warnings != nil {
		for _, p := range *warnings {
			st.Config.Warnings = append(st.Config.Warnings, p.String())
		}
	}
	for _, w := range engine.Works() {
		n := d.engine.WorkStats(w)
		st.Blocking = append(st.Blocking, api.Blocking{Work: w.String(), Running: n.Running, Waiting: n.Waiting, Begun: n.Begun, Refused: n.Busy, Stuck: n.Stuck})
	}
	open, ok := d.openNow(st)
	if !ok || st.StuckLoops > 0 {
		return st
	}
	running := d.running.Load()
	g := newGathering(d, running, open)
	if !d.onEachLoop(g.copy) {
		return st
	}
	st.Complete = true
	st.Loops, st.Exchanges, st.Listeners, st.Pools = g.loops, g.exchanges(), g.listeners(), g.pools()
	st.Tunnels, st.Flows = g.tunnels, g.flows
	st.Tables = g.tables()
	st.Exchanges.LogLost = d.access.Lost()
	st.Certificates = certificates(running)
	return st
}

// openNow copies what mu guards. Stop holds mu for as long as it drains, and nothing is listened on then: it is not waited for.
func (d *Daemon) openNow(st *api.Status) (open []*openListener, ok bool) {
	for by := time.Now().Add(answerWithin); !d.mu.TryLock(); time.Sleep(time.Millisecond) {
		if d.stopping.Load() {
			return nil, true
		}
		if time.Now().After(by) {
			return nil, false
		}
	}
	defer d.mu.Unlock()
	st.Config.Reloads, st.Config.Refused = d.reloads, d.refused
	for _, o := range d.open {
		copied := *o
		open = append(open, &copied)
	}
	return open, true
}

// onEachLoop runs f on every loop, one after the other; false when one did not answer, or weir has ended. f may then still run later.
func (d *Daemon) onEachLoop(f func(l *engine.Loop)) bool {
	late := time.NewTimer(answerWithin)
	defer late.Stop()
	for _, l := range d.engine.Loops() {
		select {
		case <-d.quit:
			return false
		default:
		}
		done := make(chan struct{})
		l.Post(func() {
			defer close(done)
			f(l)
		})
		select {
		case <-done:
		case <-late.C:
			return false
		case <-d.quit:
			return false
		}
	}
	return true
}

// exchanges sums what the loops counted.
func (g *gathering) exchanges() api.Exchanges {
	x := api.Exchanges{Status: map[string]uint64{}, Reasons: map[string]uint64{}}
	for i := range g.counted {
		c := &g.counted[i]
		x.Clients += c.Clients
		x.ClientsAccepted += c.Accepted
		x.Active += c.Active
		x.Tunnels += c.Tunnels
		x.Requests += c.Requests
		x.ReceivedBytes += c.Received
		x.SentBytes += c.Sent
		x.Retries += c.Retries
		x.LogDrops += c.LogDrops
		x.Spills += c.Spills
		x.SpillsFailed += c.SpillsFailed
		for class := 1; class < len(c.Status); class++ {
			x.Status[string(rune('0'+class))+"xx"] += c.Status[class]
		}
		for r, n := range c.Reasons {
			if n > 0 {
				x.Reasons[reason.Reason(r).String()] += n
			}
		}
	}
	return x
}

// listeners puts the addresses of a listener together.
func (g *gathering) listeners() []api.Listener {
	list := []api.Listener{}
	addresses := map[string][]engine.Address{}
	for i, o := range g.open {
		at := slices.IndexFunc(list, func(l api.Listener) bool { return l.Name == o.name })
		if at < 0 {
			at = len(list)
			list = append(list, api.Listener{Name: o.name})
		}
		l := &list[at]
		addresses[o.name] = append(addresses[o.name], o.socket.Address)
		l.Connections += g.connections[i]
		l.Handshakes.OK += g.handshakes[i].Handshakes
		l.Handshakes.Failed += g.handshakes[i].Failed
		l.Handshakes.Resumed += g.handshakes[i].Resumed
		l.Dropped += g.handshakes[i].Dropped
	}
	for i := range list {
		list[i].Addresses = rangesOf(addresses[list[i].Name])
	}
	for i := range g.running.Forwards {
		f := &g.running.Forwards[i]
		l := api.Listener{Name: f.Listener, Mode: f.Mode(), Addresses: forwardsOf(g.running, f.Listener), Connections: int64(g.kernel[f.Listener]), Refused: g.refused[f.Listener]}
		list = append(list, l)
	}
	return list
}

func certificates(running *snapshot.Snapshot) []api.Certificate {
	list := []api.Certificate{}
	for i := range running.Listeners {
		l := &running.Listeners[i]
		if l.Store == nil {
			continue
		}
		for _, c := range l.Store.List() {
			list = append(list, api.Certificate{Listener: l.Name, File: c.File, Names: c.Names, Expires: c.Expires,
				DaysLeft: daysUntil(c.Expires, time.Now())})
		}
	}
	for _, c := range running.Issuer.List() {
		list = append(list, api.Certificate{File: c.Issuer + ":" + c.Names[0], Names: c.Names, Expires: c.Expires, DaysLeft: daysUntil(c.Expires, time.Now())})
	}
	return list
}

// daysUntil counts whole days; what has just expired is at -1.
func daysUntil(t, now time.Time) int {
	left := t.Sub(now)
	if left < 0 {
		return int(left/(24*time.Hour)) - 1
	}
	return int(left / (24 * time.Hour))
}
