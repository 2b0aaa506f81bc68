package flow

import (
	"hash/maphash"
	"slices"
	"sync/atomic"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/accesslog"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/attempt"
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/traffic/site"
)

// Setup is what the flows of a listener are carried by. Immutable; a reload swaps it whole.
type Setup struct {
	Listener    string
	Proxies     *filter.Networks // whose datagrams begin with a header of the PROXY protocol; nil: nobody's
	To          *site.Destination
	Persistence *site.Persistence // nil: any server will do
	Idle        time.Duration     // silence in both directions that ends a flow
	Replies     int               // datagrams that answer each of the client's: with the last of them the flow ends; 0: there is no such number
	Most        int               // flows at the same time, per loop
	Access      *filter.Access    // whose datagrams are taken; nil: everybody's
	Amplify     int               // times what an unconfirmed client has sent that it may get; 0: no limit
	Log         *accesslog.Filter // of the ended flows that go to the access log; nil: none
	CapturedAt  uint16            // the listener's own port, if datagrams come to it that were for elsewhere; 0: none do
	Closing     bool              // the listener is going: no flow begins
}

// descriptors is how many a flow takes at most: a socket to the server, and one that answers a client that was captured.
func (s *Setup) descriptors() int64 {
	if s.CapturedAt != 0 {
		return 2
	}
	return 1
}

// spares lists flows that are not confirmed, when descriptors run short. Whoever asks again gets another.
func (p *perLoop) spares(list []engine.Spare) []engine.Spare {
	now := p.loop.Now()
	for _, t := range p.tables {
		for f := t.fresh.oldest; f != nil && now-f.last >= engine.SpareAfter; f = f.newer {
			list = append(list, engine.Spare{Rank: engine.RankUnconfirmed, Peer: f.client.from.Addr(), Since: f.last, Owner: f})
		}
	}
	return list
}

// MakeRoom ends the flow.
func (f *Flow) MakeRoom() bool {
	if f.hasEnded {
		return false
	}
	f.end(reason.FlowEvicted)
	return true
}

// Driver is what all flows of one weir share. Immutable but for what belongs to loops.
type Driver struct{ loops []*perLoop }

// perLoop is a loop's share of the driver. Owned by its loop.
type perLoop struct {
	loop   *engine.Loop
	ring   *accesslog.Ring
	tables []*table // of all listeners
	Stats
	record []byte // scratch for log records

	malformedAt int64 // when a datagram without a right header of the PROXY protocol was last logged; ms of the loop's clock, 0: never
	scratch     [4][]byte
}

// Stats are what one loop counts of flows. Bytes and datagrams are those of clients.
type Stats struct {
	Open            int64
	Opened          uint64
	Reasons         [reason.Count]uint64 // of ended flows, and of datagrams that found no place in one
	Received        uint64
	Sent            uint64
	ReceivedPackets uint64
	SentPackets     uint64
	Withheld        uint64 // datagrams for clients that had not confirmed their address and had enough
	LogDrops        uint64
}

// NewDriver makes the driver for the loops of an engine, which log into the rings, one per loop.
func NewDriver(e *engine.Engine, rings []*accesslog.Ring) *Driver {
	d := &Driver{}
	for i, l := range e.Loops() {
		p := &perLoop{loop: l, ring: rings[i]}
		l.OnShort(p.spares)
		d.loops = append(d.loops, p)
	}
	return d
}

// Stats copies a loop's counters. On that loop.
func (d *Driver) Stats(loop int) Stats { return d.loops[loop].Stats }

// Flows carries the flows of one listener. Its setup may be swapped at any time from any goroutine.
type Flows struct {
	driver *Driver
	setup  atomic.Pointer[Setup]
	tables []*table
}

// NewFlows makes the handler of a listener; setup may be nil as long as nothing is served.
func (d *Driver) NewFlows(setup *Setup) *Flows {
	h := &Flows{driver: d, tables: make([]*table, len(d.loops))}
	h.setup.Store(setup)
	return h
}

// Swap replaces the setup: flows go on to the servers they have.
func (h *Flows) Swap(setup *Setup) { h.setup.Store(setup) }

// Setup returns the current setup.
func (h *Flows) Setup() *Setup { return h.setup.Load() }

// On makes what takes the datagrams of the listener on a loop. On that loop.
func (h *Flows) On(l *engine.Loop) engine.PacketHandler {
	t := &table{flows: h, at: h.driver.loops[l.Index], known: map[client]*Flow{}, marks: maphash.MakeSeed()}
	h.tables[l.Index] = t
	t.at.tables = append(t.at.tables, t)
	return t
}

// Open is the number of flows that the loop has for this listener. On that loop.
func (h *Flows) Open(loop int) int64 {
	if t := h.tables[loop]; t != nil {
		return int64(len(t.known))
	}
	return 0
}

// busyFor is how long after a datagram a flow counts as under way: an answer may still come.
const busyFor = 1000 // ms

// Busy is how many flows of a loop have moved something a moment ago. only is the listener whose flows are meant; nil: every listener's. On that
// loop.
func (d *Driver) Busy(loop int, only *Flows) (n int64) {
	p := d.loops[loop]
	now := p.loop.Now()
	for _, t := range p.tables {
		if only != nil && t.flows != only {
			continue
		}
		for _, l := range [...]*list{&t.fresh, &t.confirmed} {
			for f := l.newest; f != nil && now-f.last < busyFor; f = f.older {
				n++
			}
		}
	}
	return n
}

// Cut ends the flows of a loop. On that loop, outside of any coroutine.
func (d *Driver) Cut(loop int, only *Flows) {
	for _, t := range d.loops[loop].tables {
		if only != nil && t.flows != only {
			continue
		}
		for _, f := range t.known {
			f.end(reason.Stopping)
		}
	}
}

// Remove ends the flows of a listener on a loop, and forgets the listener. On that loop, outside of any coroutine.
func (d *Driver) Remove(loop int, h *Flows) {
	d.Cut(loop, h)
	p := d.loops[loop]
	p.tables = slices.DeleteFunc(p.tables, func(t *table) bool { return t.flows == h })
}

// End ends the flows of a loop that are meant, and says how many they were. On that loop, outside of any coroutine.
func (d *Driver) End(loop int, e *attempt.Ending, why reason.Reason) (n int) {
	for _, t := range d.loops[loop].tables {
		for _, f := range t.known {
			if e.Means(f.server, f.client.from.Addr()) {
				f.end(why)
				n++
			}
		}
	}
	return n
}
