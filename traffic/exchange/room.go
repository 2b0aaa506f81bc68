package exchange

import (
	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/quic"
	"github.com/weir-proxy/weir/wire/http2"
)

// This file says which client connections weir can best do without when descriptors, or the connections that a listener may have, run short.

// roomAgain is when, in ms, a listener that has found no connection to end looks again.
const roomAgain = 50

// spares lists the loop's connections that can be done without; only those of a listener if one is given.
func (p *perLoop) spares(list []engine.Spare, only *HTTP) []engine.Spare {
	for s := p.sessions; s != nil; s = s.next {
		if only != nil && s.http != only || only == nil && !s.hasDescriptor() {
			continue
		}
		if rank, since, ok := s.spare(); ok {
			list = append(list, engine.Spare{Rank: rank, Peer: s.peer, Since: since, Owner: s})
		}
	}
	return list
}

// hasDescriptor reports whether the connection has a socket of its own, which those of HTTP/3 do not.
func (s *session) hasDescriptor() bool {
	if s.streams == nil {
		return true
	}
	_, isQUIC := s.streams.via.(*quic.Conn)
	return !isQUIC
}

// spare reports whether the connection can be done without.
func (s *session) spare() (rank engine.Rank, since int64, ok bool) {
	switch x := s.x; {
	case s.evicted != 0 && s.streams == nil:
		return 0, 0, false // it is ending
	case s.streams != nil:
		return engine.RankIdle, s.since, s.streams.exchanges == 0
	case x == nil:
		return engine.RankIdle, s.since, true
	case x.stage == Read:
		since := s.since
		if x.request.inLen > 0 {
			since = x.timing.stages[Read] / 1000
		}
		return engine.RankBeginning, since, true
	case x.isStalled():
		return engine.RankStalled, max(x.timing.moved, x.timing.stages[Read]/1000), true
	}
	return 0, 0, false
}

// isStalled reports whether the exchange waits for more of the request's body, which is not a stream's.
func (x *Exchange) isStalled() bool {
	if x.client.inTunnel || x.response.streams {
		return false
	}
	return x.bodyIsArriving() || x.stage == Request && x.request.kept != nil && !x.request.kept.whole
}

// MakeRoom ends the connection so that a new client gets in.
func (s *session) MakeRoom() bool {
	switch {
	case s.http == nil:
		return false
	case s.streams != nil:
		return s.streams.makeRoom()
	case s.x == nil:
		if !s.conn.Reclaim() {
			return false
		}
		if engine.HasArrived(s.conn) {
			s.conn.Await(s)
			return false
		}
		s.at.Stats.Reasons[reason.MadeRoom]++
		s.conn.Close()
		s.end()
		return true
	case s.isWaiting():
		s.at.Stats.Reasons[reason.MadeRoom]++ // it has no exchange that would count
	}
	s.evict(reason.MadeRoom)
	return true
}

// makeRoom tells the client of an idle connection that it may not use it any more. One that is still there when room is needed again is cut.
func (s *Streams) makeRoom() bool {
	if s.exchanges > 0 {
		return false
	}
	if s.session.evicted != 0 {
		s.via.Cut()
		return true
	}
	s.session.evicted = reason.MadeRoom
	s.session.at.Stats.Reasons[reason.MadeRoom]++
	s.via.Leave(http2.NoError)
	return true
}

// makeRoom has the listener end connections that can be done without, and reports whether there were any: a sixteenth of what it may have on the loop, so that a rush of new ones does not look
// through all of them each time.
func (h *HTTP) makeRoom(p *perLoop, most int) bool {
	now := p.loop.Now()
	if now < p.roomAt {
		return false
	}
	ended := p.loop.EndSpares(p.spares(nil, h), max(1, most/16))
	if ended == 0 {
		p.roomAt = now + roomAgain
	}
	return ended > 0
}
