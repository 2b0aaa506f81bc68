package exchange

import (
	"errors"
	"io"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/transport"
	wire "github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/message"
)

// upload relays the rest of a request's body on a coroutine of its own while the exchange waits for the answer, which may come
// before the body has ended.
type upload struct {
	x        *Exchange
	conn     *transport.Conn
	started  bool
	running  bool
	waiting  bool // for the server's 100 (Continue)
	arrived  bool // the whole body has come from the client
	finished bool // the whole body was sent
	drained  bool // the whole body was read, the end of it for nobody
	why      reason.Reason
	fault    *wire.Fault
	buf      []byte
	endedAt  int64 // ms: the last byte was sent
	done     engine.Signal
	goAhead  engine.Signal
	telling  bool // 100 (Continue) is being written to the client
	told     engine.Signal
}

// continueAfter is how long weir waits for a server that was asked for 100 (Continue) before it tells the client to go on itself.
const continueAfter = time.Second

func (u *upload) begin(c *transport.Conn, wait bool) {
	*u = upload{x: u.x, conn: c, started: true, running: true, waiting: wait}
	u.x.at.loop.Go(u)
}

// Run relays until the body ends, or one of the two sides fails.
func (u *upload) Run() {
	x := u.x
	l := x.at.loop
	if u.waiting {
		if !l.Wait(&u.goAhead, continueAfter) && !x.response.sentAny {
			u.tellToGoOn()
		}
		u.waiting = false
	}
	if k := x.request.kept; u.why == reason.Done && k != nil && k.behind() > 0 {
		u.why = u.sendKept(k)
	}
	if u.why == reason.Done && !x.request.kept.isWhole() {
		u.why = u.relay()
	}
	if u.why == reason.SendCut && x.stage >= Response && x.client.keepAlive {
		u.drain()
	}
	if x.request.tee != nil && u.why == reason.Done {
		x.endTee()
	}
	u.finished, u.endedAt = u.why == reason.Done, l.Now()
	if u.finished {
		x.asked()
	}
	l.Release(u.buf)
	u.buf = nil
	u.running = false
	l.Fire(&u.done)
	if u.finished && x.client.finished {
		x.judgeFinished()
	}
	if !u.finished && u.why != reason.SendCut {
		// The client's side failed: the exchange waits for an answer that must not be waited for.
		u.conn.Interrupt()
	}
}

var goOn = []byte("HTTP/1.1 100 Continue\r\n\r\n")

// tellToGoOn sends 100 (Continue) in the server's place. An answer that comes meanwhile waits: two cannot write to a client.
func (u *upload) tellToGoOn() {
	x := u.x
	u.telling = true
	if !x.interimToClient(goOn) {
		u.why = reason.ClientCut
	}
	u.telling = false
	x.at.loop.Fire(&u.told)
}

// Panicked ends an upload that panicked.
func (u *upload) Panicked() {
	u.running, u.telling, u.why = false, false, reason.Panicked
	u.conn.Interrupt()
	if x := u.x; x != nil { // nil when the exchange has panicked too
		x.at.loop.Fire(&u.told)
		x.at.loop.Fire(&u.done)
	}
}

func (u *upload) relay() reason.Reason {
	x := u.x
	from, left := x.client.stream.BareIn()
	if to := u.conn.Stream.BareOut(); to != nil && left >= spliceFrom && x.request.tee == nil && engine.CanSplice(to, from) {
		if why := u.splice(to, from); why != reason.Done {
			return why
		}
		if x.client.stream.Ended() {
			return u.end()
		}
	}
	u.buf = x.at.loop.Buffer(engine.Buffer16K)
	for {
		p := message.Piece{Buf: u.buf, From: message.FrameRoom}
		room := u.buf[p.From : len(u.buf)-message.FrameRoom]
		n, err := x.readBody(room)
		if err != nil && err != io.EOF {
			x.received += int64(x.client.stream.Around())
			u.fault, _ = err.(*wire.Fault)
			return bodyFailure(err)
		}
		p.End, p.Ended = p.From+n, err == io.EOF || x.client.stream.Ended()
		x.received += int64(n + x.client.stream.Around())
		x.took(n, p.Ended)
		if x.request.tee != nil {
			x.addToTee(p.Content())
		}
		u.arrived = p.Ended
		if limit := x.request.route.BodyLimit; limit > 0 && x.announced() > limit {
			u.fault = wire.FaultBodyTooLarge
			return reason.ClientBodyTooLarge
		}
		u.conn.SetWriteTimeout(x.answerPause())
		x.asked() // the answer may come before Send returns
		sent, err := u.conn.Stream.Send(p, x.requestTrailers())
		if x.attempt.load.BytesSent += uint64(sent); err != nil {
			return reason.SendCut
		}
		x.asked()
		u.conn.SetReadTimeout(x.answerPause()) // the answer's time counts from the last byte of the request
		if p.Ended {
			return reason.Done
		}
	}
}

// drainMost is how much of a body is read for nobody.
const drainMost = 1 << 20

// drain reads on where the server has ended its connection behind an answer: the client has been told that its own goes on, and is sending still. It has to send at the least rate of what weir
// reads for itself.
func (u *upload) drain() {
	x := u.x
	if u.buf == nil {
		u.buf = x.at.loop.Buffer(engine.Buffer16K)
	}
	began := x.at.loop.Now()
	for read := int64(0); read < drainMost && x.client.stream.Owed() != 0; {
		x.client.stream.SetReadTimeout(x.rateTimeout(began, read))
		n, err := x.client.stream.Read(u.buf)
		x.moves()
		x.received += int64(n + x.client.stream.Around())
		if read += int64(n); err != nil && err != io.EOF {
			return
		}
	}
	u.drained = x.client.stream.Owed() == 0
}

// end ends the request.
func (u *upload) end() reason.Reason {
	n, err := u.conn.Stream.Send(message.Piece{Ended: true}, u.x.requestTrailers())
	if u.x.attempt.load.BytesSent += uint64(n); err != nil {
		return reason.SendCut
	}
	return reason.Done
}

// splice moves a body of known length in the kernel, as far as there is a pipe for it.
func (u *upload) splice(to, from engine.Conn) reason.Reason {
	x := u.x
	pause := x.bodyPause()
	for _, left := x.client.stream.BareIn(); left > 0; _, left = x.client.stream.BareIn() {
		x.client.stream.SetReadTimeout(pause)
		u.conn.SetWriteTimeout(x.answerPause())
		n, err := engine.Splice(to, from, min(left, splicePiece))
		x.client.stream.Skip(n)
		x.request.body.got += n
		x.received += n
		x.attempt.load.BytesSent += uint64(n)
		x.asked()
		u.conn.SetReadTimeout(x.answerPause())
		var write *engine.SpliceWriteError
		if err == engine.ErrTimeout {
			if pause = x.silenceLeft(); pause > 0 {
				continue
			}
		}
		x.moves()
		pause = x.bodyPause()
		switch {
		case err == nil:
		case err == engine.ErrNoSplice:
			return reason.Done
		case errors.As(err, &write):
			return reason.SendCut
		default:
			return bodyFailure(err)
		}
	}
	return reason.Done
}

func bodyFailure(err error) reason.Reason {
	if _, isFault := err.(*wire.Fault); isFault {
		return reason.ClientBodyMalformed
	}
	switch err {
	case engine.ErrTimeout:
		return reason.ClientBodyTimeout
	case engine.ErrInterrupted:
		return reason.ClientCut
	}
	return reason.ClientBodyCut
}

// wait lets an upload end that goes on behind a complete answer: a server may answer first and read then. The exchange is a stream no more: a client that pauses
// loses its connection.
func (u *upload) wait() {
	x := u.x
	x.response.streams = false
	x.moves()
	for u.running {
		left := x.bodyPause() - time.Duration(x.at.loop.Now()-x.timing.moved)*time.Millisecond
		if left <= 0 {
			x.client.keepAlive = false
			return
		}
		x.at.loop.Wait(&u.done, left)
	}
}

// answerTime is what is left of the time that the server has to answer, which begins when the upload ends.
func (u *upload) answerTime(d time.Duration) time.Duration {
	if u.running {
		return d
	}
	return d - time.Duration(u.x.at.loop.Now()-u.endedAt)*time.Millisecond
}

// stop ends an upload that still runs, as when the answer was complete before the body was.
func (u *upload) stop() {
	isKept := u.x.request.kept.isWhole()
	if u.running {
		if !isKept {
			u.x.client.conn.Interrupt()
		}
		u.conn.Interrupt()
		u.x.at.loop.Fire(&u.goAhead)
		u.x.at.loop.Wait(&u.done, engine.DefaultTimeout)
		u.x.client.conn.ClearInterrupt()
	}
	u.started = false
	u.x.request.body.relayed = u.finished || u.drained || isKept
	if !u.finished {
		u.x.attempt.isClean = false
	}
	if !u.x.request.body.relayed {
		u.x.client.keepAlive, u.x.client.linger = false, true
	}
}
