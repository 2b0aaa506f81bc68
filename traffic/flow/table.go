package flow

import (
	"hash/maphash"
	"net/netip"
	"slices"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
)

// client is who a flow is with: an address, and the own one that it sends to, or the one that it was captured from.
type client struct {
	from  netip.AddrPort
	local netip.Addr
	port  uint16 // 0: the listener's
	proxy uint32 // of the proxy that tells of the client, by markOf; 0: none does
}

func (c *client) to() netip.AddrPort { return netip.AddrPortFrom(c.local, c.port) }

// table is the flows of a listener on one loop. Owned by its loop.
type table struct {
	flows      *Flows
	at         *perLoop
	socket     *engine.PacketSocket // that clients send to
	known      map[client]*Flow
	marks      maphash.Seed // of markOf
	fresh      list         // those whose client has not answered a reply
	confirmed  list
	told       told  // of the packet that is being taken
	turn       int64 // of the loop, in microseconds: that begins is counted in
	begins     int   // flows that were to begin in it
	isSweeping bool
	isResting  bool // its flows are on their way to another process: none ends
}

// Packets takes what clients send.
func (t *table) Packets(s *engine.PacketSocket, packets []engine.Packet) {
	t.socket = s
	setup := t.flows.setup.Load()
	if setup != nil && setup.Proxies != nil {
		t.unwrap(setup, packets)
		return
	}
	var f *Flow
	for i := range packets {
		p := &packets[i]
		f = t.take(setup, f, client{p.From, p.Local, p.Port, 0}, p)
	}
}

// take gives a packet to its flow, which is returned; nil if there is no place for it. last is the flow of the packet before, if there is one.
func (t *table) take(setup *Setup, last *Flow, who client, p *engine.Packet) *Flow {
	f := last
	if f == nil || f.client != who || f.hasEnded {
		f = t.known[who]
	}
	t.at.Received += uint64(len(p.Data))
	t.at.ReceivedPackets += uint64(p.Count())
	if f != nil {
		if why, must := f.mustMove(); must {
			f.end(why)
			f = nil
		}
	}
	if f == nil {
		if setup != nil && setup.Replies == 0 && t.isFlooded() {
			t.at.Reasons[reason.FlowFlooded]++
			return nil
		}
		if f = t.begin(setup, who); f == nil {
			return nil
		}
	}
	f.up(p)
	return f
}

// beginsFlooded is how many flows begin in a turn of the loop when datagrams come faster than they are taken. A flow costs a few system calls, as much as a hundred datagrams that are
// skipped. Where each question is a flow of its own (Setup.Replies) everybody is new, and nobody is preferred. Senders that were there already are served; so are as many new ones as leave the loop time for its other connections.
const beginsFlooded = 64

// isFlooded reports whether no further flow is to begin in this turn.
func (t *table) isFlooded() bool {
	if t.socket == nil || !t.socket.IsFlooded() {
		return false
	}
	if turn := t.at.loop.Micros(); turn != t.turn {
		t.turn, t.begins = turn, 0
	}
	t.begins++
	if t.begins <= beginsFlooded {
		return false
	}
	t.socket.Skipped()
	return true
}

// Refused is about no flow: a client is gone, and its flow will be.
func (t *table) Refused(*engine.PacketSocket, error) {}

// begin makes room for a flow, and begins it; nil if there is no place for it.
func (t *table) begin(setup *Setup, who client) *Flow {
	if setup == nil || setup.Closing {
		t.at.Reasons[reason.Stopping]++
		return nil
	}
	if !setup.Access.Allows(who.from.Addr()) {
		t.at.Reasons[reason.Refused]++
		return nil
	}
	if len(t.known) >= setup.Most && !t.evict() || !t.claim(setup) {
		t.at.Reasons[reason.FlowTableFull]++
		return nil
	}
	f := &Flow{table: t, setup: setup, client: who, told: t.told, by: t.socket, begun: t.at.loop.Micros(), last: t.at.loop.Now()}
	if why := f.open(); why != reason.Done {
		t.at.loop.Unclaim(engine.ShareFlows, setup.descriptors())
		t.at.Reasons[why]++
		return nil
	}
	t.add(f, &t.fresh)
	return f
}

func (t *table) add(f *Flow, to *list) {
	t.at.Open++
	t.at.Opened++
	t.put(f, to)
}

// put has the flow be found, and end when it is silent.
func (t *table) put(f *Flow, to *list) {
	t.known[f.client] = f
	to.add(f)
	if !t.isSweeping {
		t.isSweeping = true
		t.at.loop.Go(&sweep{t})
	}
}

// claim takes the descriptors of a flow. Where flows have all that they may have, one that is not confirmed ends for it: this listener's, or another's on the loop.
func (t *table) claim(setup *Setup) bool {
	n := setup.descriptors()
	for !t.at.loop.Claim(engine.ShareFlows, n) {
		if !t.evict() && !slices.ContainsFunc(t.at.tables, (*table).evict) {
			return false
		}
	}
	return true
}

// evict ends the flow that makes room for another; false when all are with clients that are what they say.
func (t *table) evict() bool {
	f := t.fresh.oldest
	if f == nil {
		return false
	}
	f.end(reason.FlowEvicted)
	return true
}

// sweep ends silent flows, as long as there are any.
type sweep struct{ t *table }

// sweepEvery is how much later than its time a flow may end.
const sweepEvery = 250 * time.Millisecond

// Run looks at the oldest flows again and again.
func (s *sweep) Run() {
	t := s.t
	for len(t.known) > 0 {
		t.at.loop.Sleep(sweepEvery)
		if t.isResting {
			continue
		}
		now := t.at.loop.Now()
		for _, l := range [...]*list{&t.fresh, &t.confirmed} {
			for f := l.oldest; f != nil && now-f.last >= f.setup.Idle.Milliseconds(); f = l.oldest {
				f.end(f.silence())
			}
		}
	}
	t.isSweeping = false
}

// Panicked has the next flow begin another sweep.
func (s *sweep) Panicked() { s.t.isSweeping = false }

// list is flows by the time of their last datagram.
type list struct{ oldest, newest *Flow }

func (l *list) add(f *Flow) {
	f.in, f.older, f.newer = l, l.newest, nil
	if l.newest != nil {
		l.newest.newer = f
	} else {
		l.oldest = f
	}
	l.newest = f
}

func (l *list) remove(f *Flow) {
	if f.older != nil {
		f.older.newer = f.newer
	} else {
		l.oldest = f.newer
	}
	if f.newer != nil {
		f.newer.older = f.older
	} else {
		l.newest = f.older
	}
	f.in, f.older, f.newer = nil, nil, nil
}
