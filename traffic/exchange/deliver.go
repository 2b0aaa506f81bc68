package exchange

import (
	"errors"
	"io"
	"syscall"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/pool"
	wire "github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/message"
)

// Bodies of which at least spliceFrom is still to come are moved by the kernel, at most splicePiece in a step.
const (
	spliceFrom  = 64 << 10
	splicePiece = 1 << 20
)

// deliver sends the answer to the client: what is there in one piece, then the rest as it comes.
func (x *Exchange) deliver() Stage {
	x.stamp(Deliver)
	if x.response.body.held {
		return x.holdBack()
	}
	if !x.beginAnswer() {
		return x.clientFailed()
	}
	if x.response.body.ended {
		return x.delivered()
	}
	return x.deliverRest()
}

// beginAnswer sends the answer's head with what is here of its body.
func (x *Exchange) beginAnswer() bool {
	x.response.reply.Ended = x.response.body.ended
	return x.sendPiece(x.response.reply)
}

// deliverRest relays what of the body is still to come.
func (x *Exchange) deliverRest() Stage {
	if from, n := x.attempt.conn.Stream.BareIn(); n >= spliceFrom && x.request.twin == nil && x.canSplice(from) {
		return x.deliverSplice()
	}
	return x.deliverCopy()
}

// canSplice reports whether the kernel can move content to the client.
func (x *Exchange) canSplice(from engine.Conn) bool {
	to := x.client.stream.BareOut()
	return to != nil && engine.CanSplice(to, from)
}

// endToClient ends an answer whose content has gone past the stream.
func (x *Exchange) endToClient() Stage {
	if !x.sendPiece(message.Piece{Ended: true}) {
		return x.clientFailed()
	}
	return x.delivered()
}

// takeClient makes this coroutine the only one that writes to the client from here on.
func (x *Exchange) takeClient() {
	x.response.sentAny = true
	x.waitTold()
}

// waitTold waits until nobody else writes to the client.
func (x *Exchange) waitTold() {
	for x.attempt.up.started && x.attempt.up.telling {
		x.at.loop.Wait(&x.attempt.up.told, x.setup.Send)
	}
}

func (x *Exchange) clientFailed() Stage {
	x.attempt.outcome = pool.Cancelled
	x.attempt.isClean = false
	return x.abandon(x.reason)
}

// delivered ends a complete answer.
func (x *Exchange) delivered() Stage {
	if x.client.keepAlive && x.attempt.up.started {
		x.attempt.up.wait()
	}
	return Finish
}

// deliverCopy relays the rest of a body by way of a buffer.
func (x *Exchange) deliverCopy() Stage {
	for !x.response.body.ended {
		n, ok := x.deliverPart()
		if !ok {
			return x.clientFailed()
		}
		if n > 0 && x.response.body.ended {
			return x.endToClient()
		}
		if n > 0 {
			continue
		}
		x.bulk()
		if x.response.reply.Buf == nil {
			x.response.reply.Buf = x.at.loop.Buffer(engine.Buffer16K)
		}
		p, err := x.piece(x.response.reply.Buf)
		if err != nil {
			return x.bodyFailed(err)
		}
		if !x.sendPiece(p) {
			return x.clientFailed()
		}
	}
	return x.delivered()
}

// partMost is what the client has to take within its time.
const partMost = engine.Buffer64K

// deliverPart has the client's connection take what has come of the body without a buffer between, and reports how much that was; false when the client
// failed.
func (x *Exchange) deliverPart() (n int, ok bool) {
	from, left := x.attempt.conn.Stream.BareIn()
	if left == 0 || x.request.twin != nil || x.client.stream.BareOut() != nil {
		return 0, true
	}
	if x.response.reply.Buf != nil { // what was in it is sent, and a client that takes its time needs no buffer
		x.at.loop.Release(x.response.reply.Buf)
		x.response.reply.Buf = nil
	}
	x.takeClient()
	x.client.stream.SetWriteTimeout(x.setup.Send)
	n, err := x.client.stream.SendFrom(from, int(min(left, partMost)))
	x.passed(int64(n))
	x.sent += int64(n)
	x.attempt.load.BytesReceived += uint64(n)
	return n, x.tookIt(err)
}

// passed notes that n bytes of content went past the server's stream.
func (x *Exchange) passed(n int64) {
	s := x.attempt.conn.Stream
	s.Skip(n)
	x.response.body.ended = s.Ended()
}

// bulk takes a larger buffer for a body that fills it.
func (x *Exchange) bulk() {
	if _, left := x.attempt.conn.Stream.BareIn(); len(x.response.reply.Buf) < engine.Buffer64K && left > engine.Buffer16K && !x.at.loop.IsCrowded() {
		x.at.loop.Release(x.response.reply.Buf)
		x.response.reply.Buf = x.at.loop.Buffer(engine.Buffer64K)
	}
}

func (x *Exchange) deliverSplice() Stage {
	c := x.attempt.conn
	pause := x.answerPause()
	for from, left := c.Stream.BareIn(); left > 0; _, left = c.Stream.BareIn() {
		c.SetReadTimeout(pause)
		x.client.stream.SetWriteTimeout(x.setup.Send)
		n, err := engine.Splice(x.client.stream.BareOut(), from, min(left, splicePiece))
		x.passed(n)
		x.sent += n
		x.attempt.load.BytesReceived += uint64(n)
		if err == engine.ErrNoSplice {
			return x.deliverCopy()
		}
		if err == engine.ErrTimeout {
			if pause = x.silenceLeft(); pause > 0 {
				continue
			}
		}
		x.moves()
		pause = x.answerPause()
		if err != nil {
			return x.spliceFailed(err)
		}
	}
	return x.endToClient()
}

// spliceFailed: what a client does that goes away, or does not read, says nothing about the server.
func (x *Exchange) spliceFailed(err error) Stage {
	var write *engine.SpliceWriteError
	if !errors.As(err, &write) {
		return x.bodyFailed(err)
	}
	x.reason = reason.ClientCut
	if errors.Is(err, engine.ErrTimeout) {
		x.reason = reason.ClientStalled
	}
	return x.clientFailed()
}

// piece reads what comes next of the answer's body into buf, with room around it. The error is a *http1.Fault where the server's framing is wrong.
func (x *Exchange) piece(buf []byte) (p message.Piece, err error) {
	p = message.Piece{Buf: buf, From: message.FrameRoom}
	n, err := x.readMore(buf[p.From : len(buf)-message.FrameRoom])
	x.attempt.load.BytesReceived += uint64(n + x.attempt.conn.Stream.Around())
	if err != nil && err != io.EOF {
		return p, err
	}
	p.End = p.From + n
	if x.request.twin != nil {
		x.noteBody(p.Content())
	}
	if p.Ended = err == io.EOF || x.attempt.conn.Stream.Ended(); p.Ended {
		x.response.body.ended = true
		x.response.body.trailers = x.arrivedTrailers()
	}
	return p, nil
}

// bodyFailed ends an answer that stopped in its middle: the client's connection is closed too, so that it knows.
func (x *Exchange) bodyFailed(err error) Stage {
	x.attempt.isClean = false
	var fault *wire.Fault
	switch {
	case x.attempt.ended != reason.Done:
		x.attempt.outcome = pool.Cancelled
		return x.abandon(x.attempt.ended)
	case x.client.left:
		x.attempt.outcome = pool.Cancelled
		return x.abandon(reason.ClientCut)
	case errors.As(err, &fault):
		x.detail = fault.Reason
		x.attempt.outcome = pool.BadResponse
		return x.abandon(reason.BodyMalformed)
	case errors.Is(err, engine.ErrInterrupted):
		x.attempt.outcome = pool.Cancelled
		return x.abandon(reason.ClientCut)
	case errors.Is(err, engine.ErrTimeout):
		if err != engine.ErrTimeout {
			x.detail = err.Error() // it was not the answer alone that paused
		}
		x.attempt.outcome = pool.Timeout
		return x.abandon(reason.BodyTimeout)
	}
	x.detail = endOf(err)
	x.attempt.outcome = pool.Reset
	return x.abandon(reason.BodyCut)
}

// endOf says how a server ended what it had begun.
func endOf(err error) string {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the server closed the connection"
	case errors.Is(err, syscall.ECONNRESET):
		return "the server reset the connection"
	}
	return err.Error()
}
