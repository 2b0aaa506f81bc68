package exchange

import (
	"time"

	"github.com/weir-proxy/weir/engine"
)

// This file is how an exchange learns that its client has left, and what follows from it, in every stage: what is waited for is given up, nothing is tried again, and no
// server is blamed.
//
// A reset, and the end of a stream or of its connection, say that the client is gone. The end of what a client of HTTP/1.1 sends (FIN, close_notify) says less: it may have
// closed the connection, or only its side of it, as `printf … | nc` does, and still want its answer. The two look the same until something is sent. So, once such a client
// has waited for probeAfter, weir sends it 100 (Continue), which says nothing to a client that reads; the system of one that does not answers with a reset. Where no interim
// answer may be sent, because the client speaks HTTP/1.0 or has the beginning of its answer, keep-alive probes of TCP find out within two minutes; by TLS, where clients that
// read on after close_notify are rare, an answer that pauses for finishedPause ends. With Setup.HalfClosed off the end of what a client sends is always its leave.

// probeAfter is how long a client that has finished sending waits before it is probed: most get their answer before.
const probeAfter = 200 * time.Millisecond

// finishedPause is how long an answer by TLS may pause whose client has finished sending.
const finishedPause = time.Second

// Changed is told what becomes of the client's connection while nobody reads from it. On the loop.
func (x *Exchange) Changed(what engine.Change) {
	switch what {
	case engine.Gone:
		x.leave()
	case engine.Finished:
		x.client.finished = true
		x.judgeFinished()
	}
}

// judgeFinished decides what it means that the client has finished sending. It is asked again when a body has arrived that was on its way then.
func (x *Exchange) judgeFinished() {
	switch {
	case x.client.left || !x.setup.HalfClosed && x.bodyIsArriving():
	case !x.setup.HalfClosed:
		x.leave()
	case x.request.head.Minor >= 1 && x.stage < Response:
		x.attempt.probe.Set(x.at.loop, probeAfter, (*probing)(x))
	case x.session.secure:
		x.attempt.probe.Set(x.at.loop, finishedPause, (*probing)(x))
	}
}

// leave gives up what is waited for.
func (x *Exchange) leave() {
	if x.client.left {
		return
	}
	x.client.left = true
	x.attempt.cancel.Call()
	x.attempt.place.Wake()
	x.response.searching.GiveUp(x.at.loop)
	if x.attempt.conn != nil {
		x.attempt.conn.Interrupt()
	}
}

// probing is an exchange whose client may have left.
type probing Exchange

// Run probes the client, unless its answer has begun.
func (p *probing) Run() {
	x := (*Exchange)(p)
	switch {
	case x.client.conn == nil || !x.client.finished || x.client.left || x.attempt.up.started && x.attempt.up.telling:
	case x.response.sentAny || x.request.head.Minor == 0:
		x.lookForPause()
	case x.session.secure:
		x.interimToClient(goOn)
		x.attempt.probe.Set(x.at.loop, finishedPause, p)
	default:
		engine.SendNow(x.client.conn, goOn)
	}
}

// lookForPause ends an answer that pauses, by TLS, whose client sends nothing more.
func (x *Exchange) lookForPause() {
	silent := time.Duration(x.at.loop.Now()-x.timing.moved) * time.Millisecond
	switch {
	case !x.session.secure:
	case x.response.sentAny && silent >= finishedPause:
		x.leave()
	default:
		x.attempt.probe.Set(x.at.loop, finishedPause, (*probing)(x))
	}
}

// stopWatching ends what Changed is told, before the connection is read from again.
func (x *Exchange) stopWatching() {
	x.client.conn.Watch(nil)
	x.attempt.probe.Stop()
}
