package exchange

import (
	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/attempt"
	"github.com/weir-proxy/weir/traffic/pool"
)

// End ends what clients have in progress that is meant, tunnels included, and says how much that was. Where only a client is meant its connections end too; a
// request that only reads and loses its server goes to another one. On that loop, outside of any coroutine.
func (d *Driver) End(l *engine.Loop, e *attempt.Ending, why reason.Reason) (n int) {
	p := d.loops[l.Index]
	for x, next := p.active, (*Exchange)(nil); x != nil; x = next {
		next = x.nextActive
		if e.Tunnels && !x.client.inTunnel || x.session.shadow != nil || !e.Means(x.attempt.server, x.session.peer) || x.attempt.server == nil && len(e.Servers) > 0 {
			continue
		}
		x.end(why, len(e.Servers) == 0)
		n++
	}
	if len(e.Servers) > 0 || e.Tunnels {
		return n
	}
	for s, next := p.sessions, (*session)(nil); s != nil; s = next {
		next = s.next
		switch {
		case !e.Means(nil, s.peer):
		case s.streams != nil:
			s.streams.via.Cut()
		default:
			s.conn.Interrupt()
		}
	}
	return n
}

// end ends the exchange because the operator, or a rule of the operator's, says so.
func (x *Exchange) end(why reason.Reason, isClient bool) {
	x.attempt.ended = why
	if x.attempt.conn != nil {
		x.attempt.conn.Interrupt()
	}
	if isClient {
		x.leave()
	}
}

// serverEnded goes on where the connection to the server was ended: with another server, if that is safe.
func (x *Exchange) serverEnded() Stage {
	why := x.attempt.ended
	x.attempt.ended = reason.Done
	return x.attemptFailed(502, why, pool.Cancelled, false)
}

// linkActive and unlinkActive keep the list of what a loop has in progress.
func (p *perLoop) linkActive(x *Exchange) {
	x.prevActive, x.nextActive = nil, p.active
	if p.active != nil {
		p.active.prevActive = x
	}
	p.active = x
}

func (p *perLoop) unlinkActive(x *Exchange) {
	if x.nextActive != nil {
		x.nextActive.prevActive = x.prevActive
	}
	if x.prevActive != nil {
		x.prevActive.nextActive = x.nextActive
	} else {
		p.active = x.nextActive
	}
	x.nextActive, x.prevActive = nil, nil
}
