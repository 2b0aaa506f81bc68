package lifecycle

import (
	"context"
	"errors"
	"time"

	"github.com/weir-proxy/weir/control/snapshot"
	"github.com/weir-proxy/weir/engine"
)

// A listener that a reload has dropped drains: its connections and flows go on until they end, or timeouts.drain is over. A listener of UDP or HTTP/3 keeps its UDP socket bound until then,
// since replies are sent from it. A reload that has the address again brings the listener back, with everything that it still carries.

// errIsBack ends the end of a listener.
var errIsBack = errors.New("a reload has brought the listener back")

// drop closes a listener and drains it by end, in the background. The caller holds mu.
func (d *Daemon) drop(key string, o *openListener, end func(context.Context, *openListener)) {
	delete(d.open, key)
	d.ending[o] = true
	ctx, hurry := context.WithCancelCause(context.Background())
	drained := make(chan struct{})
	o.hurry, o.drained = hurry, drained
	d.moveFlows(o)
	o.handler.Close()
	o.close()
	d.done.Go(func() {
		defer hurry(nil)
		end(ctx, o)
		close(drained)
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.ending[o] && context.Cause(ctx) != errIsBack {
			d.endNow(o)
		}
	})
}

// endNow ends everything that a dropped listener still carries. The caller holds mu.
func (d *Daemon) endNow(o *openListener) {
	delete(d.ending, o)
	d.engine.Each(func(l *engine.Loop) { d.flows.Remove(l.Index, o.handler.Flows()) })
	o.end()
}

// endingAt is the draining listener of an address that can be brought back; nil if there is none.
func (d *Daemon) endingAt(key string) *openListener {
	for o := range d.ending {
		if o.key == key && !o.isGone {
			return o
		}
	}
	return nil
}

// drains reports whether the address has a draining listener that can be brought back.
func (d *Daemon) drains(a engine.Address) bool { return d.endingAt(a.String()) != nil }

// bringBack ends the draining of a listener: when it returns, none of its connections will be ended for that. The caller gives it a new setup next, and starts it.
func (d *Daemon) bringBack(o *openListener) {
	if d.ending[o] {
		delete(d.ending, o)
		o.hurry(errIsBack)
		<-o.drained
	}
}

// endOf is how a dropped listener is drained.
func (d *Daemon) endOf(next *snapshot.Snapshot, o *openListener) func(context.Context, *openListener) {
	if f := kernelTakes(next, o.socket.Address); f != nil && f.Device == "" && o.handler.Setup().Tunnel != nil {
		return d.awaitTunnels
	}
	return d.endListener
}

// endListener drains a dropped listener, here and in the processes before this one.
func (d *Daemon) endListener(ctx context.Context, o *openListener) {
	ctx, cancel := context.WithTimeout(ctx, o.handler.Setup().Drain)
	defer cancel()
	d.cancelAtQuit(ctx, cancel)
	d.done.Go(func() {
		if err := d.releaseBefore(time.Now().Add(orderWithin), release{Address: o.key}); err != nil {
			d.log.Warn("the process before keeps what it has of a dropped listener", "listener", o.name, "error", err)
		}
	})
	left, ended := d.drain(ctx, o.handler, nil)
	if wereCut(left, ended) != nil {
		d.log.Info("connections of a dropped listener were cut", "listener", o.name, "requests", left.Exchanges, "tunnels", left.Tunnels)
	}
	// The processes before this one get their packets through its socket.
	for o.quic != nil && o.quic.PassesOn() && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-time.After(drainEvery):
		}
	}
}

// awaitEvery is the time between two looks at tunnels that may go on for days.
const awaitEvery = time.Second

// awaitTunnels waits until the tunnels of a listener have ended that a reload has given to the kernel: the kernel takes new connections at the address, and those that weir carries
// already stay where they are, for as long as they last. A stop of weir ends them, like all others.
func (d *Daemon) awaitTunnels(ctx context.Context, o *openListener) {
	tick := time.NewTicker(awaitEvery)
	defer tick.Stop()
	for quiet := 0; quiet < 2; quiet++ { // twice, so that a connection that was in the socket when listening ended is not missed
		select {
		case <-d.quit:
			return
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if left := d.endIdle(o.handler); !left.IsNothing() {
			quiet = -1
		}
	}
}

// moveEnding has the flows of dropped listeners go on with those that now listen on all addresses.
func (d *Daemon) moveEnding() {
	for o := range d.ending {
		if d.moveFlows(o) {
			o.handler.Close()
		}
	}
}

// moveFlows hands the flows of a listener to the one that now listens on all addresses, if there is one, and reports whether it did: the system delivers to the socket with the more specific
// address as long as it is open. Replies to the flows still arrive. The system may deliver a client's next datagram to another loop, where it begins another flow.
func (d *Daemon) moveFlows(o *openListener) bool {
	to := d.takerOf(o)
	if to == nil || o.isGone {
		return false
	}
	sockets := map[int]*engine.PacketSocket{}
	for _, s := range to.socket.PacketSockets() {
		sockets[s.Loop().Index] = s
	}
	from, into, local := o.handler.Flows(), to.handler.Flows(), o.socket.Address.IP.Addr().Unmap()
	from.Swap(into.Setup()) // for what waits in the socket
	o.isGone = true
	o.socket.CloseWith(func(l *engine.Loop) {
		if s := sockets[l.Index]; s != nil {
			from.MoveTo(l.Index, into, s, local)
		}
	})
	return true
}

// takerOf is the listener that takes the datagrams for the address of another once that is closed; nil: none does.
func (d *Daemon) takerOf(o *openListener) (taker *openListener) {
	a := o.socket.Address
	if !a.IsDatagram || isWildcard(a) {
		return nil
	}
	for _, other := range d.open {
		b := other.socket.Address
		if !b.IsDatagram || !isWildcard(b) || b.IP.Port() != a.IP.Port() || b.IP.Addr().Is4() && !a.IP.Addr().Unmap().Is4() {
			continue
		}
		if taker == nil || b.IP.Addr().Is4() {
			taker = other
		}
	}
	return taker
}
