package lifecycle

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/control/handover"
	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/traffic/exchange"
)

// HandOver has the process at the other end of c take over: it gets the sockets, and says that it is ready before it accepts anything, by the
// time given at the latest, and has lasted for the probation. state is filled up with what the daemon has. On an error nothing has changed here, whatever became of the other
// process; else that accepts and this one does not any more, and Leave is next.
func (d *Daemon) HandOver(c *handover.Channel, state handover.State, by time.Time) error {
	if d.stopping.Load() {
		return errStopping
	}
	if !d.handing.CompareAndSwap(false, true) {
		return api.ErrHanding
	}
	adopted, err := d.handOver(c, state, by)
	if err != nil {
		d.shared.Store(false)
		d.handing.Store(false)
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for key, o := range d.open {
		o.stopQUIC()
		if slices.Contains(adopted, key) {
			o.socket.Leave()
			continue
		}
		o.socket.Close()
		if o.quic != nil { // the socket of that stays until it is at its end
			d.drop(key, o, d.endListener)
		}
	}
	d.closeSilent()
	return nil
}

func (d *Daemon) handOver(c *handover.Channel, state handover.State, by time.Time) (adopted []string, err error) {
	// A reload that is under way ends first; another does not begin.
	d.mu.Lock()
	d.endDatagrams()
	state.Listeners = map[string][]int{}
	for key, o := range d.open {
		if sockets := o.socket.Sockets(); len(sockets) > 0 {
			state.Listeners[key] = sockets
		}
	}
	d.mu.Unlock()
	state.Servers, state.Tickets, state.QUIC, state.Files = d.healthOfServers(), d.ticketSecrets(), d.quicSockets(), d.filesKept()
	defer func() {
		if err != nil {
			d.leaveQUIC(nil)
		}
	}()
	err = c.SendState(by, state)
	closeSuccessions(state.QUIC)
	if err != nil {
		return nil, err
	}
	ready, err := c.Expect(handover.Ready, by)
	if err != nil {
		return nil, err
	}
	if err := d.passTables(c, withPatience(by)); err != nil {
		return nil, err
	}
	d.leaveQUIC(ready.QUIC)
	d.shared.Store(true)
	if err := c.Send(handover.Message{Kind: handover.Go, Takes: ready.Takes, Watches: ready.Watches}); err != nil {
		return nil, err
	}
	return ready.Adopted, d.passFlows(c, ready, by)
}

// withPatience gives the other process, once it is ready, at least silenceMost for its next step: by may have passed while this one did not run.
func withPatience(by time.Time) time.Time {
	if least := time.Now().Add(silenceMost); by.Before(least) {
		return least
	}
	return by
}

// passFlows has the flows of datagrams go on in the other process, or here if that does not serve in the end.
func (d *Daemon) passFlows(c *handover.Channel, ready handover.Message, by time.Time) error {
	if !ready.Takes { // a version that begins with none
		return awaitServing(c, ready, by)
	}
	flows := d.restFlows(ready.Adopted)
	err := flows.pass(c, withPatience(by))
	if err == nil {
		err = awaitServing(c, ready, by)
	}
	if err != nil {
		flows.back()
		return err
	}
	flows.gone()
	return nil
}

const (
	// probation is how long a process that has taken over must serve until this one gives up what it still has: listening sockets, on which both accept meanwhile, and flows. Until
	// then this process can go on as if nothing had happened.
	probation = 2 * time.Second
	// aliveEvery is how often the new process asks its loops and says that they answer.
	aliveEvery = 100 * time.Millisecond
	// silenceMost is how long it may say nothing. A reload of its own, or a turn that takes long, is shorter.
	silenceMost = 2 * time.Second
	// probationBlind holds for a version that does not say Alive: it must only not have ended.
	probationBlind = 500 * time.Millisecond
)

// awaitServing waits until the other process serves and has gone on to do so for the probation.
func awaitServing(c *handover.Channel, ready handover.Message, by time.Time) error {
	if _, err := c.Expect(handover.Serving, withPatience(by)); err != nil {
		return err
	}
	if !ready.Watches {
		if !c.Outlives(probationBlind) {
			return errShortLived
		}
		return nil
	}
	if err := c.StaysAlive(probation, silenceMost); errors.Is(err, handover.ErrEnded) {
		return errShortLived
	} else if err != nil {
		return err
	}
	return nil
}

var errShortLived = errors.New("it ended right after it had begun to serve")

// healthOfServers is what the checks know.
func (d *Daemon) healthOfServers() (list []handover.Server) {
	running := d.running.Load()
	for i := range running.Checks {
		p := running.Checks[i].Pool
		for _, s := range p.Set().Servers {
			list = append(list, handover.Server{Pool: p.Name, Name: s.Name, Address: s.Address.String(), Health: s.Health().String()})
		}
	}
	return list
}

// filesKept is what belongs into files of the data directory, which the disk may not have taken.
func (d *Daemon) filesKept() map[string][]byte {
	files := map[string][]byte{}
	if file, text, err := d.operator.text(); err == nil && file != "" {
		files[file] = text
	}
	for _, k := range d.running.Load().Keys() {
		file, text := k.Kept()
		files[file] = text
	}
	return files
}

// Leave passes connections on to the process that has taken over as they come to rest, and ends weir when none is left or ctx ends: those of
// TLS cannot be passed on and end with their next answer, or then.
func (d *Daemon) Leave(ctx context.Context, c *handover.Channel, progress func(exchange.Left)) error {
	d.left.Store(true)
	obeyed := make(chan struct{})
	go func() {
		defer close(obeyed)
		c.ServeOrders(d.carryOut)
	}()
	send, successor := d.sender(c)
	tick := time.NewTicker(drainEvery)
	defer tick.Stop()
	for quiet := 0; quiet < 2 && !successor.hasGone.Load(); {
		var left exchange.Left
		d.engine.Each(func(l *engine.Loop) {
			left.Add(d.driver.PassOn(l, send))
			d.tunnels.EndIdle(l.Index, nil)
			left.AddTunnels(d.tunnels.Count(l.Index, nil) + d.flows.Busy(l.Index, nil))
		})
		progress(left)
		d.letGo()
		// What the process before this one still passes on has to go through here.
		if quiet++; left.Connections > 0 || d.receiving.Load() {
			quiet = 0
		}
		select {
		case <-ctx.Done():
			return d.endLeft(ctx, c, obeyed)
		case <-tick.C:
		}
	}
	return d.endLeft(ctx, c, obeyed)
}

// successor is the process that has taken over.
type successor struct{ hasGone atomic.Bool }

// sender passes a connection on under the address of its listener.
func (d *Daemon) sender(c *handover.Channel) (func(fd int, p exchange.Passed) error, *successor) {
	to := &successor{}
	addresses := map[*exchange.HTTP]string{}
	d.mu.Lock()
	defer d.mu.Unlock()
	for key, o := range d.open {
		addresses[o.handler.HTTP()] = key
	}
	return func(fd int, p exchange.Passed) error {
		address, known := addresses[p.HTTP]
		if !known {
			return errNoListener
		}
		err := c.Send(handover.Message{Kind: handover.Connection, Address: address, Requests: p.Requests}, fd)
		if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
			to.hasGone.Store(true)
		}
		return err
	}, to
}

// errNoListener is said of a connection whose listener a reload has dropped: it ends here.
var errNoListener = errors.New("no listener")

// endLeft ends what could not be passed on, at once if ctx has ended. It hangs up once nothing is left, and waits for the last order.
func (d *Daemon) endLeft(ctx context.Context, c *handover.Channel, obeyed <-chan struct{}) error {
	d.stopping.Store(true)
	d.driver.Drain()
	left, ended := d.drain(ctx, nil, nil)
	d.endFlows()
	c.HangUp()
	<-obeyed
	d.mu.Lock()
	for _, o := range d.open {
		o.end()
	}
	d.mu.Unlock()
	d.close()
	return wereCut(left, ended)
}
