package exchange

import (
	"slices"

	"github.com/weir-proxy/weir/telemetry/reason"
)

// This file ends connections when their loop holds all that it may for its peers. The heaviest go first, and of equals the newest: a client that has weir hold much is either an attack
// or can ask again, and a small request of somebody else must not be refused for it.

// exchangeHeld is what an exchange holds besides its buffers: its struct and its stack.
const exchangeHeld = 16 << 10

// reliefEvery is how often, in ms, connections are looked through: that costs a look at each.
const reliefEvery = 50

// evictedLeast is how much a connection must hold to be ended for it. What a plain request needs is less.
const evictedLeast = 48 << 10

// relieve ends heavy connections when the loop is full, until it would hold three quarters of its share.
func (p *perLoop) relieve() {
	now := p.loop.Now()
	if !p.loop.IsFull() || now < p.relieveAt {
		return
	}
	p.relieveAt = now + reliefEvery
	type heavy struct {
		s    *session
		held int
	}
	var list []heavy
	for s := p.sessions; s != nil; s = s.next {
		if held := s.held(); held >= evictedLeast {
			list = append(list, heavy{s, held})
		}
	}
	slices.SortStableFunc(list, func(a, b heavy) int { return b.held - a.held })
	excess := p.loop.Held() - p.loop.Share()*3/4 - p.leaving()
	for _, h := range list {
		if excess <= 0 {
			return
		}
		if h.s.http == nil {
			continue // another's end was its end too
		}
		excess -= int64(h.held)
		h.s.evict(reason.MemoryFull)
	}
}

// leaving is what exchanges hold whose clients have left: it will be free without anybody's end.
func (p *perLoop) leaving() (n int64) {
	for x := p.active; x != nil; x = x.nextActive {
		if x.client.left || x.client.stream != nil && x.client.stream.IsGone() {
			n += int64(x.held())
		}
	}
	return n
}

// held is how much a client connection has weir hold.
func (s *session) held() int {
	if s.streams != nil {
		return s.streams.held()
	}
	if s.x == nil || s.x.client.inTunnel {
		return 0
	}
	return s.x.held()
}

func (x *Exchange) held() int {
	n := exchangeHeld + len(x.request.in) + len(x.attempt.out) + len(x.response.reply.Buf) + len(x.client.ahead) + len(x.attempt.up.buf)
	if x.response.holding != nil {
		n += x.response.holding.bytes()
	}
	if x.request.kept != nil {
		n += cap(x.request.kept.buf) + cap(x.request.kept.tail)
	}
	if x.request.tee != nil {
		n += x.request.tee.held
	}
	return n
}

// held is how much all streams of a connection hold.
func (s *Streams) held() int {
	n := s.via.Held()
	for o := s.open; o != nil; o = o.next {
		if x := o.session.x; x != nil {
			n += x.held()
		}
	}
	return n
}

// evict ends a connection for what it holds.
func (s *session) evict(why reason.Reason) {
	if s.streams != nil {
		s.streams.blame(why, "")
	}
	s.cut(why)
}
