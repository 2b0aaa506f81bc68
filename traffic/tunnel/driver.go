package tunnel

import (
	"sync/atomic"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/accesslog"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/attempt"
)

// Driver is what all tunnels of one weir share. Immutable but for what belongs to loops.
type Driver struct{ loops []*perLoop }

// perLoop is a loop's share of the driver. Owned by its loop.
type perLoop struct {
	loop    *engine.Loop
	ring    *accesslog.Ring
	tunnels *Tunnel // all of the loop
	free    []*opening
	Stats
	record  []byte // scratch for log records, never kept over a wait
	scratch [5][]byte
}

// Stats are what one loop counts of tunnels.
type Stats struct {
	Open     int64  // connections of clients, those that wait for a server included
	Accepted uint64 // connections seen
	Refused  uint64 // of these, for want of room at the listener
	Reasons  [reason.Count]uint64
	Received uint64 // bytes from clients
	Sent     uint64 // bytes to clients
	Retries  uint64
	LogDrops uint64 // log records that found no room
}

// NewDriver makes the driver for the loops of an engine, which log into the rings, one per loop.
func NewDriver(e *engine.Engine, rings []*accesslog.Ring) *Driver {
	d := &Driver{}
	for i, l := range e.Loops() {
		d.loops = append(d.loops, &perLoop{loop: l, ring: rings[i]})
	}
	return d
}

// Stats copies a loop's counters. On that loop.
func (d *Driver) Stats(loop int) Stats { return d.loops[loop].Stats }

// Count is how many tunnels of the loop are open. only is the listener whose tunnels are meant; nil: every listener's. On that loop.
func (d *Driver) Count(loop int, only *Tunnels) (n int64) {
	if only == nil {
		return d.loops[loop].Open
	}
	return only.Open(loop)
}

// EndIdle ends those tunnels of a loop that have a Talker and nothing under way. On that loop, outside of any coroutine.
func (d *Driver) EndIdle(loop int, only *Tunnels) {
	for t := d.loops[loop].tunnels; t != nil; t = t.next {
		if t.session != nil && t.session.Busy == 0 && (only == nil || t.home == only) {
			t.session.Client.Interrupt()
		}
	}
}

// Cut ends the tunnels of a loop. On that loop, outside of any coroutine.
func (d *Driver) Cut(loop int, only *Tunnels) {
	for t, next := d.loops[loop].tunnels, (*Tunnel)(nil); t != nil; t = next {
		next = t.next
		if only == nil || t.home == only {
			t.cut(reason.Stopping)
		}
	}
}

// End ends the tunnels of a loop that are meant, and says how many they were. On that loop, outside of any coroutine.
func (d *Driver) End(loop int, e *attempt.Ending, why reason.Reason) (n int) {
	for t, next := d.loops[loop].tunnels, (*Tunnel)(nil); t != nil; t = next {
		next = t.next
		if e.Means(t.server, t.peer) {
			t.cut(why)
			n++
		}
	}
	return n
}

// Tunnels serves the connections of one listener. Its setup may be swapped at any time from any goroutine.
type Tunnels struct {
	driver *Driver
	setup  atomic.Pointer[Setup]
	counts []openCount
}

type openCount struct {
	n int64
	_ [56]byte
}

// NewTunnels makes the handler of a listener; setup may be nil as long as nothing is served.
func (d *Driver) NewTunnels(setup *Setup) *Tunnels {
	h := &Tunnels{driver: d, counts: make([]openCount, len(d.loops))}
	h.setup.Store(setup)
	return h
}

// Swap replaces the setup: tunnels go on under the one they began with.
func (h *Tunnels) Swap(setup *Setup) { h.setup.Store(setup) }

// Open is the number of connections the loop has for this listener. On that loop.
func (h *Tunnels) Open(loop int) int64 { return h.counts[loop].n }
