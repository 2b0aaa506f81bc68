package exchange

import (
	"errors"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/attempt"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/stream"
	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/http2"
	"github.com/weir-proxy/weir/wire/message"
)

// sendStream is send where the connection to the server carries many exchanges.
func (x *Exchange) sendStream(head, data []byte, whole bool) Stage {
	c := x.conn
	s := c.Stream
	target := http2.Target{Secure: x.destination.Transport.TLS != nil}
	if x.wantsUpgrade() {
		target.Protocol, whole = "websocket", true
		head = withoutLine(head, webSocketKey)
	}
	if err := s.WriteRequest(head, x.req.Method, target); err != nil {
		return x.sendFailed(err)
	}
	c.SetWriteTimeout(x.answerPause())
	if len(data) > 0 {
		if _, err := s.Write(data); err != nil {
			return x.sendFailed(err)
		}
	}
	x.load.BytesSent += uint64(len(head) + len(data))
	x.asked()
	switch {
	case target.Protocol != "":
	case !whole:
		x.up.begin(c, x.req.Expect && len(data) == 0)
	default:
		if err := s.WriteEnd(x.requestTrailers()); err != nil {
			return x.sendFailed(err)
		}
	}
	return Receive
}

// receiveStream is receive there: heads come whole, and content without framing.
func (x *Exchange) receiveStream() Stage {
	s := x.conn.Stream
	s.SetReadTimeout(x.inTime(x.answerPause()))
	for {
		head, n, err := s.ReadHead(&x.res)
		if err == engine.ErrTimeout && x.up.started {
			if left := x.inTime(x.up.answerTime(x.answerPause())); left > 0 && !x.isLate() {
				s.SetReadTimeout(left)
				continue
			}
		}
		if err != nil {
			return x.receiveStreamFailed(err)
		}
		x.load.BytesReceived += uint64(n)
		x.keepHead(head[:n])
		x.at.loop.Release(head)
		if x.res.Status < 200 {
			if next := x.gotInterim(x.res.Buf); next != Receive {
				return next
			}
			continue
		}
		x.takeArrivedAnswer()
		return x.gotHead(n)
	}
}

// keepHead puts a head where those of HTTP/1.1 are.
func (x *Exchange) keepHead(head []byte) {
	if need := respRoom + len(head) + respRoom; x.resp == nil || len(x.resp) < need {
		x.at.loop.Release(x.resp)
		x.resp = x.at.loop.Buffer(max(need, engine.Buffer16K))
	}
	x.respFrom = respRoom
	x.respLen = respRoom + copy(x.resp[respRoom:], head)
	x.res.Buf = x.resp[respRoom:x.respLen]
}

// takeArrivedAnswer takes what of the body is here already. Of one that is here as a whole the length is known.
func (x *Exchange) takeArrivedAnswer() {
	if x.res.Framing == message.FramingNone {
		return
	}
	n, ended := x.conn.Stream.Arrived(x.resp[x.respLen : len(x.resp)-chunkRoom])
	x.respLen += n
	x.load.BytesReceived += uint64(n)
	x.arrived = ended
	switch {
	case x.res.Framing == message.FramingUntilClose && ended && len(x.conn.Stream.Trailers()) == 0:
		x.res.Framing, x.res.Length = message.FramingLength, int64(n)
	case x.res.Framing == message.FramingLength && x.stream == nil && x.takesTrailers() && x.res.Has(message.FieldTrailer):
		x.res.Framing = message.FramingUntilClose // in HTTP/1.1 trailers follow chunks alone
	}
}

// receiveStreamFailed: no answer came on the stream.
func (x *Exchange) receiveStreamFailed(err error) Stage {
	var fault *http1.Fault
	switch {
	case errors.Is(err, http2.ErrRefused):
		// RFC 9113 section 8.7: "Requests that have not been processed have not failed; clients MAY automatically retry them, even those with
		// non-idempotent methods."
		x.conn.Reused = true
		x.detail = err.Error()
		return x.attemptFailed(502, reason.StreamRefused, pool.Cancelled, true)
	case errors.Is(err, stream.ErrHTTP11):
		// RFC 9113 section 7: "HTTP_1_1_REQUIRED (0x0d): The endpoint requires that HTTP/1.1 be used instead of HTTP/2." It has done nothing with the request.
		attempt.Conns(x.at.loop, x.server).RequireHTTP1()
		x.conn.Reused = true
		x.detail = err.Error()
		return x.attemptFailed(502, reason.StreamRefused, pool.Cancelled, true)
	case errors.As(err, &fault):
		return x.badResponse(fault)
	}
	return x.receiveFailed(err)
}
