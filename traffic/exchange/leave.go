package exchange

import (
	"time"

	"github.com/weir-proxy/weir/engine"
)

// This file is how an exchange learns that its client has left, and what follows from it, in every stage: what is waited for is given up, nothing is tried again, and no
// server is blamed.
//
// A reset, and the end of a stream or of its connection, say that the client is gone. So does the end of what it sends by TLS: no client of HTTPS reads on after
// close_notify. The end of what it sends in clear text says less: it may have closed the connection, or only its side of it, as `printf … | nc` does, and still
// want its answer. The two look the same until something is sent. So, once such a client has waited for probeAfter, weir sends it 100 (Continue), which says nothing
// to a client that reads; the system of one that does not answers with a reset. Where no interim answer may be sent, because the client speaks HTTP/1.0 or has the
// beginning of its answer, keep-alive probes of TCP find out within two minutes. With Setup.HalfClosed off the end of what a client sends is always its leave.

// probeAfter is how long a client that has finished sending waits before it is probed: most get their answer before.
const probeAfter = 200 * time.Millisecond

// Changed is told what becomes of the client's connection while nobody reads from it. On the loop.
func (x *Exchange) Changed(what engine.Change) {
	switch what {
	case engine.Gone:
		x.leave()
	case engine.Finished:
		x.finished = true
		x.judgeFinished()
	}
}

// judgeFinished decides what it means that the client has finished sending. It is asked again when a body has arrived that was on its way then.
func (x *Exchange) judgeFinished() {
	isSure := x.session.secure || !x.setup.HalfClosed
	switch {
	case x.left || isSure && x.bodyIsArriving():
	case isSure:
		x.leave()
	case x.req.Minor >= 1 && x.stage < Response:
		x.probe.Set(x.at.loop, probeAfter, (*probing)(x))
	}
}

// leave gives up what is waited for.
func (x *Exchange) leave() {
	if x.left {
		return
	}
	x.left = true
	x.cancel.Call()
	x.place.Wake()
	if x.conn != nil {
		x.conn.Interrupt()
	}
}

// probing is an exchange whose client may have left.
type probing Exchange

// Run probes the client, unless its answer has begun.
func (p *probing) Run() {
	x := (*Exchange)(p)
	if x.client == nil || !x.finished || x.left || x.sentAny || x.up.started && x.up.telling {
		return
	}
	engine.SendNow(x.client, goOn)
}

// stopWatching ends what Changed is told, before the connection is read from again.
func (x *Exchange) stopWatching() {
	x.client.Watch(nil)
	x.probe.Stop()
}
