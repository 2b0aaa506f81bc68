package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/traffic/exchange"
	"github.com/weir-proxy/weir/traffic/listener"
)

// drainEvery is the time between two looks at what is left. A connection that comes to rest meanwhile is closed by the next.
const drainEvery = 20 * time.Millisecond

// cutWithin is how long exchanges that were cut may take to say so in the log.
const cutWithin = 300 * time.Millisecond

// DrainLimit is the longest of the running listeners' timeouts.drain.
func (d *Daemon) DrainLimit() (limit time.Duration) {
	for i := range d.running.Load().Listeners {
		limit = max(limit, d.running.Load().Listeners[i].Setup.Drain)
	}
	return limit
}

// Stop ends weir: nothing new is accepted, idle connections are closed, what is under way ends, at most until ctx does, and is cut then.
// progress, if not nil, is told what is left.
func (d *Daemon) Stop(ctx context.Context, progress func(exchange.Left)) error {
	if !d.stopping.CompareAndSwap(false, true) {
		return errors.New("weir is stopping already")
	}
	d.watcher.tellStop()
	d.driver.Drain()
	open := d.stopListening()
	left, ended := d.drain(ctx, nil, progress)
	d.endFlows()
	for _, o := range open {
		o.end()
	}
	d.close() // without mu, for which the goroutines that it waits for may be waiting
	return wereCut(left, ended)
}

// wereCut says what was cut, if anything was: clients whose connections had nothing on them yet have lost nothing.
func wereCut(left exchange.Left, ended bool) error {
	if ended || left.Exchanges == 0 && left.Tunnels == 0 {
		return nil
	}
	return fmt.Errorf("%d requests and %d tunnels were cut", left.Exchanges, left.Tunnels)
}

// stopListening closes the listeners, whose connections go on, and returns them.
func (d *Daemon) stopListening() map[string]*openListener {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.network.release(); err != nil {
		d.log.Error("connections are still captured", "error", err)
	}
	open := d.open
	d.open = map[string]*openListener{}
	for _, o := range open {
		o.handler.Close()
		o.close()
	}
	return open
}

// drain ends idle connections until nothing is under way; when ctx ends before, it cuts the rest and says what that was. only is the
// listener that is meant; nil: all.
func (d *Daemon) drain(ctx context.Context, only *listener.Listener, progress func(exchange.Left)) (left exchange.Left, ended bool) {
	tick := time.NewTicker(drainEvery)
	defer tick.Stop()
	for quiet := 0; ; {
		if errors.Is(context.Cause(ctx), errIsBack) {
			return exchange.Left{}, true
		}
		left = d.endIdle(only)
		if progress != nil {
			progress(left)
		}
		// Twice in a row, so that a request that was in the socket when listening ended is not missed.
		if quiet++; !left.IsNothing() {
			quiet = 0
		} else if quiet >= 2 {
			return left, true
		}
		select {
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), errIsBack) {
				continue
			}
			d.cut(only)
			return left, false
		case <-tick.C:
		}
	}
}

// endFlows ends those in which nothing moves, which nobody waits for, and has them logged.
func (d *Daemon) endFlows() {
	d.engine.Each(func(l *engine.Loop) { d.flows.Cut(l.Index, nil) })
}

func (d *Daemon) endIdle(only *listener.Listener) (left exchange.Left) {
	d.engine.Each(func(l *engine.Loop) {
		left.Add(d.driver.EndIdle(l, only.HTTP()))
		d.tunnels.EndIdle(l.Index, only.Tunnels())
		left.AddTunnels(d.tunnels.Count(l.Index, only.Tunnels()) + d.flows.Busy(l.Index, only.Flows()))
	})
	return left
}

// cut ends what is under way and gives it a moment to be logged.
func (d *Daemon) cut(only *listener.Listener) {
	d.engine.Each(func(l *engine.Loop) {
		d.driver.Cut(l, only.HTTP())
		d.tunnels.Cut(l.Index, only.Tunnels())
		d.flows.Cut(l.Index, only.Flows())
	})
	for by := time.Now().Add(cutWithin); time.Now().Before(by); time.Sleep(drainEvery) {
		if left := d.endIdle(only); left.IsNothing() {
			return
		}
	}
}
