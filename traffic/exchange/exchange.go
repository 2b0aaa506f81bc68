package exchange

import (
	"net/netip"

	"github.com/weir-proxy/weir/telemetry/reason"
	wire "github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/message"
)

// Exchange is one request and its answer on the way. Owned by its loop and reused; reset says what a new one begins with.
type Exchange struct {
	session *session
	setup   *Setup // the snapshot it began under, whatever is swapped meanwhile
	driver  *Driver
	at      *perLoop
	stage   Stage

	client   clientState
	request  requestState
	attempt  attemptState
	response responseState
	timing   timingState

	reason   reason.Reason
	detail   string
	received int64
	sent     int64

	nextActive, prevActive *Exchange // of the loop's list

	fields [2][message.MaxFields]message.Field // of the heads, until they are longer
}

func newExchange(d *Driver, at *perLoop) *Exchange {
	x := &Exchange{driver: d, at: at}
	x.request.head.List = x.fields[0][:0]
	x.response.head.List = x.fields[1][:0]
	x.attempt.up.x = x
	x.attempt.own.Terms.Announced = x.announcedTrailers
	x.client.surplus = x.keepPipelined
	x.request.facts.Field = func(name string) []byte { return x.request.head.Lookup(name) }
	x.request.facts.Local = func() netip.AddrPort { return x.client.conn.LocalAddr() }
	x.request.isServer = func(host []byte, parents bool) bool { return x.request.destination.Pool.Set().Owns(host, parents) }
	return x
}

// reset makes x ready for a request of s. Nothing of the exchange before stays, which may be another client's: a request can be refused before the stage that would set a field, and answers,
// counters and the log read them all. What stays are buffers, those with bytes of a pipelined request among them.
func (x *Exchange) reset(s *session) {
	x.session, x.setup, x.stage = s, s.http.setup.Load(), Read
	x.client.reset(s)
	x.request.reset(s.major())
	x.attempt.reset()
	x.response.reset(x.fields[1][:])
	x.timing = timingState{}
	x.reason, x.detail = reason.Done, ""
	x.received, x.sent = int64(x.request.inLen), 0 // what has come with the request before is this one's
}

// forget lets go of all that belongs to a snapshot: an exchange that waits for work would keep one that a reload has replaced, with all its sites.
func (x *Exchange) forget() {
	x.session, x.setup = nil, nil
	x.client.forget()
	x.request.forget()
	x.attempt.forget()
	x.response.local = localAnswer{}
	x.detail = ""
}

// fail ends the exchange with an answer of weir's own.
func (x *Exchange) fail(status int, why reason.Reason) Stage {
	x.reason = why
	x.response.local = localAnswer{status: status}
	return Answer
}

// refuse ends the exchange because of what the client sent: the answer says so, and nothing more is read from it as a request.
func (x *Exchange) refuse(f *wire.Fault, why reason.Reason) Stage {
	x.reason, x.detail = why, f.Reason
	x.response.local = localAnswer{status: f.Status, detail: f.Reason}
	x.client.keepAlive, x.client.linger = false, true
	return Answer
}

// abandon ends the exchange without an answer: there is nobody to answer, or it is too late.
func (x *Exchange) abandon(why reason.Reason) Stage {
	x.reason = why
	x.client.keepAlive = false
	return Finish
}
