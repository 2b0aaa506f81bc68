package exchange

import (
	"errors"
	"io"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/wire/http1"
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
	if !x.toClient(x.resp[x.respFrom:x.respLen]) {
		return x.clientFailed()
	}
	if x.rest.ended {
		if x.rest.chunked && !x.toClient(x.appendResponseEnd(x.scratch())) {
			return x.clientFailed()
		}
		return x.delivered()
	}
	if x.rest.framing == message.FramingLength {
		return x.deliverLength()
	}
	return x.deliverStream()
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
	if x.rest.framing == message.FramingUntilClose {
		x.isClean = false
	}
	if x.keepAlive && x.up.started {
		x.up.wait()
	}
	return Finish
}

// deliverLength relays a body of known length.
func (x *Exchange) deliverLength() Stage {
	c := x.conn
	if x.rest.left >= spliceFrom && engine.CanSplice(x.client, c.Conn) {
		return x.deliverSplice()
	}
	return x.deliverCopy()
}

func (x *Exchange) deliverCopy() Stage {
	c := x.conn
	x.bulk()
	for x.rest.left > 0 {
		b := x.resp[:min(int64(len(x.resp)), x.rest.left)]
		c.SetReadTimeout(x.route.Response)
		n, err := c.Read(b)
		if err != nil {
			return x.bodyCut(err)
		}
		x.rest.left -= int64(n)
		x.load.BytesReceived += uint64(n)
		if !x.toClient(b[:n]) {
			return x.clientFailed()
		}
	}
	return x.delivered()
}

// bulk takes a larger buffer for a body that fills it.
func (x *Exchange) bulk() {
	if len(x.resp) < engine.Buffer64K && x.rest.left > engine.Buffer16K {
		x.at.loop.Release(x.resp)
		x.resp = x.at.loop.Buffer(engine.Buffer64K)
	}
}

func (x *Exchange) deliverSplice() Stage {
	c := x.conn
	for x.rest.left > 0 {
		c.SetReadTimeout(x.route.Response)
		x.client.SetWriteTimeout(x.setup.Send)
		n, err := engine.Splice(x.client, c.Conn, min(x.rest.left, splicePiece))
		x.rest.left -= n
		x.sent += n
		x.load.BytesReceived += uint64(n)
		if err == engine.ErrNoSplice {
			return x.deliverCopy()
		}
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
		return x.bodyCut(err)
	}
	x.reason = reason.ClientCut
	if errors.Is(err, engine.ErrTimeout) {
		x.reason = reason.ClientStalled
	}
	return x.clientFailed()
}

// deliverStream relays chunks, or a body that ends with its connection.
func (x *Exchange) deliverStream() Stage {
	c := x.conn
	for {
		room := x.resp[chunkRoom : len(x.resp)-chunkRoom]
		c.SetReadTimeout(x.route.Response)
		n, err := c.Read(room)
		if err != nil {
			if err == io.EOF && x.rest.framing == message.FramingUntilClose {
				return x.endStream()
			}
			return x.bodyCut(err)
		}
		x.load.BytesReceived += uint64(n)
		data := n
		if x.rest.framing == message.FramingChunked {
			var consumed int
			var fault *http1.Fault
			data, consumed, fault = x.rest.chunks.Decode(room[:n])
			if fault != nil {
				x.detail = fault.Reason
				x.outcome = pool.BadResponse
				return x.abandon(reason.BodyMalformed)
			}
			x.rest.ended = x.rest.chunks.IsDone()
			if x.rest.ended && consumed < n {
				x.isClean = false
			}
		}
		out := x.resp[chunkRoom : chunkRoom+data]
		if x.rest.chunked {
			trails := x.rest.ended && len(x.rest.chunks.Trailers) > 0
			out = frameChunk(x.resp, chunkRoom, data, x.rest.ended && !trails)
			if trails {
				out = x.appendResponseEnd(out[:len(out):len(out)])
			}
		}
		if len(out) > 0 && !x.toClient(out) {
			return x.clientFailed()
		}
		if x.rest.ended {
			return x.delivered()
		}
	}
}

// endStream ends a body whose end was the server's end of the connection.
func (x *Exchange) endStream() Stage {
	x.rest.ended = true
	if x.rest.chunked && !x.toClient(lastChunk) {
		return x.clientFailed()
	}
	return x.delivered()
}

var lastChunk = []byte(http1.LastChunk)

// bodyCut ends an answer that stopped in its middle: the client's connection is closed too, so that it knows.
func (x *Exchange) bodyCut(err error) Stage {
	x.isClean = false
	switch {
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
