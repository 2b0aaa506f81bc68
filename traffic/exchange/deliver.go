package exchange

import (
	"errors"
	"io"

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
	if x.rest.held {
		return x.holdBack()
	}
	if !x.beginAnswer() {
		return x.clientFailed()
	}
	if x.rest.ended {
		if x.rest.chunked && !x.toClient(x.appendResponseEnd(x.scratch())) {
			return x.clientFailed()
		}
		return x.delivered()
	}
	return x.deliverRest()
}

// deliverRest relays what of the body is still to come.
func (x *Exchange) deliverRest() Stage {
	if from, n := x.conn.Stream.BareIn(); n >= spliceFrom && x.twin == nil && engine.CanSplice(x.client, from) {
		return x.deliverSplice()
	}
	return x.deliverCopy()
}

// toClient writes b to the client; false when that failed.
func (x *Exchange) toClient(b []byte) bool {
	x.takeClient()
	x.client.SetWriteTimeout(x.setup.Send)
	n, err := x.client.Write(b)
	x.sent += int64(n)
	if err != nil {
		x.reason = reason.ClientCut
		if errors.Is(err, engine.ErrTimeout) {
			x.reason = reason.ClientStalled
		}
	}
	return err == nil
}

// takeClient makes this coroutine the only one that writes to the client from here on.
func (x *Exchange) takeClient() {
	x.sentAny = true
	for x.up.started && x.up.telling {
		x.at.loop.Wait(&x.up.told, x.setup.Send)
	}
}

func (x *Exchange) clientFailed() Stage {
	x.outcome = pool.Cancelled
	x.isClean = false
	return x.abandon(x.reason)
}

// delivered ends a complete answer.
func (x *Exchange) delivered() Stage {
	if x.stream != nil && !x.endToClient(x.responseTrailers()) {
		return x.clientFailed()
	}
	if x.keepAlive && x.up.started {
		x.up.wait()
	}
	return Finish
}

// deliverCopy relays the rest of a body by way of a buffer.
func (x *Exchange) deliverCopy() Stage {
	for !x.rest.ended {
		n, ok := x.deliverPart()
		if !ok {
			return x.clientFailed()
		}
		if n > 0 {
			continue
		}
		x.bulk()
		if x.reply.Buf == nil {
			x.reply.Buf = x.at.loop.Buffer(engine.Buffer16K)
		}
		out, err := x.piece(x.reply.Buf)
		if err != nil {
			return x.bodyFailed(err)
		}
		if len(out) > 0 && !x.toClient(out) {
			return x.clientFailed()
		}
	}
	return x.delivered()
}

// sink is a stream that takes content from the server's connection by itself.
type sink interface {
	// SendFrom sends content that has arrived at c, most bytes at most, and reports how much; it parks while there is no room for it. 0 without an error says
	// to read and write it.
	SendFrom(c engine.Conn, most int) (int, error)
}

// partMost is what the client has to take within its time.
const partMost = engine.Buffer64K

// deliverPart has the client's connection take what has come of the body without a buffer between, and reports how much that was; false when the client
// failed.
func (x *Exchange) deliverPart() (n int, ok bool) {
	to, isSink := x.client.(sink)
	from, left := x.conn.Stream.BareIn()
	if !isSink || left == 0 || x.twin != nil {
		return 0, true
	}
	x.takeClient()
	x.client.SetWriteTimeout(x.setup.Send)
	if x.reply.Buf != nil { // what was in it is sent, and a client that takes its time needs no buffer
		x.at.loop.Release(x.reply.Buf)
		x.reply.Buf = nil
	}
	n, err := to.SendFrom(from, int(min(left, partMost)))
	x.passed(int64(n))
	x.sent += int64(n)
	x.load.BytesReceived += uint64(n)
	return n, x.tookIt(err)
}

// passed notes that n bytes of content went past the server's stream.
func (x *Exchange) passed(n int64) {
	s := x.conn.Stream
	s.Skip(n)
	x.rest.ended = s.Ended()
}

// bulk takes a larger buffer for a body that fills it.
func (x *Exchange) bulk() {
	if _, left := x.conn.Stream.BareIn(); len(x.reply.Buf) < engine.Buffer64K && left > engine.Buffer16K && !x.at.loop.IsCrowded() {
		x.at.loop.Release(x.reply.Buf)
		x.reply.Buf = x.at.loop.Buffer(engine.Buffer64K)
	}
}

func (x *Exchange) deliverSplice() Stage {
	c := x.conn
	pause := x.answerPause()
	for from, left := c.Stream.BareIn(); left > 0; _, left = c.Stream.BareIn() {
		c.SetReadTimeout(pause)
		x.client.SetWriteTimeout(x.setup.Send)
		n, err := engine.Splice(x.client, from, min(left, splicePiece))
		x.passed(n)
		x.sent += n
		x.load.BytesReceived += uint64(n)
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
	return x.delivered()
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

// piece reads what comes next of the answer's body into buf and returns it as the client gets it. The error is a *http1.Fault where the server's framing
// is wrong.
func (x *Exchange) piece(buf []byte) ([]byte, error) {
	room := buf
	if x.rest.chunked {
		room = buf[message.FrameRoom : len(buf)-message.FrameRoom]
	}
	n, err := x.readMore(room)
	isEnd := err == io.EOF
	if err != nil && !isEnd {
		return nil, err
	}
	x.load.BytesReceived += uint64(n)
	if x.twin != nil {
		x.noteBody(room[:n])
	}
	if x.rest.ended = isEnd || x.conn.Stream.Ended(); x.rest.ended {
		x.rest.trailers = x.arrivedTrailers()
	}
	if !x.rest.chunked {
		return room[:n], nil
	}
	trails := x.rest.ended && len(x.rest.trailers) > 0
	out := frameChunk(buf, message.FrameRoom, n, x.rest.ended && !trails)
	if trails {
		out = x.appendResponseEnd(out[:len(out):len(out)])
	}
	return out, nil
}

var lastChunk = []byte(wire.LastChunk)

// bodyFailed ends an answer that stopped in its middle: the client's connection is closed too, so that it knows.
func (x *Exchange) bodyFailed(err error) Stage {
	x.isClean = false
	var fault *wire.Fault
	switch {
	case x.ended != reason.Done:
		x.outcome = pool.Cancelled
		return x.abandon(x.ended)
	case x.left:
		x.outcome = pool.Cancelled
		return x.abandon(reason.ClientCut)
	case errors.As(err, &fault):
		x.detail = fault.Reason
		x.outcome = pool.BadResponse
		return x.abandon(reason.BodyMalformed)
	case errors.Is(err, engine.ErrInterrupted):
		x.outcome = pool.Cancelled
		return x.abandon(reason.ClientCut)
	case errors.Is(err, engine.ErrTimeout):
		x.outcome = pool.Timeout
		return x.abandon(reason.BodyTimeout)
	}
	x.outcome = pool.Reset
	return x.abandon(reason.BodyCut)
}
