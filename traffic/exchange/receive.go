package exchange

import (
	"errors"
	"io"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/attempt"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/stream"
	"github.com/weir-proxy/weir/traffic/transport"
	wire "github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/http2"
	"github.com/weir-proxy/weir/wire/message"
)

// receive reads the answer's head.
func (x *Exchange) receive() Stage {
	x.response.reply.Empty()
	wait := x.inTime(x.answerPause())
	if wait > watchTime {
		x.watchServer()
	}
	patience := x.patience(wait)
	x.attempt.conn.SetReadTimeout(min(wait, patience))
	for {
		n, err := x.attempt.conn.Stream.ReadHead(&x.response.head, &x.response.reply)
		x.attempt.load.BytesReceived += uint64(n)
		if h := x.attempt.hedge; h != nil && h.won && err == engine.ErrInterrupted {
			x.takeHedge()
			err = nil
		}
		if err == engine.ErrTimeout && patience < wait {
			x.attempt.conn.SetReadTimeout(wait - patience)
			patience = wait
			x.startHedge()
			continue
		}
		if err == engine.ErrTimeout && x.attempt.up.started {
			// The answer's time counts from the request's last byte, which may have gone out in the moment in which the time was over. Until
			// then the upload's own deadlines bound the wait.
			if left := x.inTime(x.attempt.up.answerTime(x.answerPause())); left > 0 && !x.isLate() {
				x.attempt.conn.SetReadTimeout(left)
				continue
			}
		}
		if err != nil {
			return x.receiveFailed(err)
		}
		if x.attempt.hedge != nil {
			x.dropHedge()
		}
		if x.response.head.Status >= 200 || x.response.head.Status == 101 {
			return x.gotHead()
		}
		if next := x.gotInterim(x.response.reply.Bytes()[:x.response.reply.Head]); next != Receive {
			return next
		}
	}
}

// gotHead goes on with the final answer.
func (x *Exchange) gotHead() Stage {
	x.stamp(Receive)
	x.noteAnswer()
	if x.attempt.needsHTTP1 && x.request.destination.Transport.Version == transport.Auto {
		// It could have been this request alone. But the server speaks HTTP/1.1, and further requests need not be tried twice.
		attempt.Conns(x.at.loop, x.attempt.server).RequireHTTP1()
	}
	x.response.status = x.response.head.Status
	if x.attempt.count > 1 {
		x.reason, x.detail = reason.Done, "" // how an attempt before it failed is not how the exchange ends
	}
	if x.response.status == 401 && offersConnectionAuth(&x.response.head.Fields) {
		if x.session.stream != nil {
			// What authenticates a connection cannot be had where a connection is not one user's alone.
			x.client.code = http2.HTTP11Required
			return x.abandon(reason.HTTP11Required)
		}
		// By HTTP/2 the server has refused to say more; what follows from the client comes with credentials, and goes by HTTP/1.1.
		x.attempt.conn.MakePrivate()
	}
	if x.response.status >= 300 && x.request.destination.Pool.IsFailure(x.response.status) {
		x.attempt.outcome = pool.GatewayError
	}
	return Response
}

// gotInterim deals with a 1xx answer; Receive goes on.
func (x *Exchange) gotInterim(head []byte) Stage {
	x.attempt.heard = true
	if !x.response.interims.Take(len(head), x.at.loop.Now()) {
		return x.badResponse(wire.FaultInterims)
	}
	if !x.passInterim(head) {
		return x.abandon(reason.ClientCut)
	}
	return Receive
}

// passInterim hands a 1xx answer on; false when the client is gone. It binds nobody: another server may still be asked.
// RFC 9110 section 15.2: "A server MUST NOT send a 1xx response to an HTTP/1.0 client." "A proxy MUST forward 1xx responses unless the
// proxy itself requested the generation of the 1xx response."
func (x *Exchange) passInterim(head []byte) bool {
	if x.response.head.Status == 100 {
		if x.attempt.up.started && x.attempt.up.waiting {
			defer x.at.loop.Fire(&x.attempt.up.goAhead)
		} else if !x.request.head.Expect {
			return true
		}
	}
	if x.request.head.Minor == 0 || x.saysOfAnswer() && !x.mayPassHint() {
		return true
	}
	x.waitTold()
	b := append(x.scratch(), "HTTP/1.1"...)
	b = append(b, head[len("HTTP/1.1"):int(x.response.head.FieldsAt.Off)]...)
	if x.response.head.Status != 100 {
		b = x.appendResponseFields(b)
	}
	b = append(b, "\r\n"...)
	x.sent += int64(len(b))
	return x.interimToClient(b)
}

// saysOfAnswer reports whether a 1xx answer may tell what the final one is like: all do but 100 and 102, which tell that it will come.
func (x *Exchange) saysOfAnswer() bool {
	return x.response.head.Status != 100 && x.response.head.Status != 102
}

// mayPassHint reports whether the client gets early hints of this attempt: it is the first in which some came. RFC 8297 section 2: 103 "indicates to the client that the server is likely
// to send a final response with the header fields included in the informational response". Hints of an attempt that has failed since cannot be taken back, but those of two must not be mixed,
// be it of one server. A copy that answers in place of the first server counts as another attempt.
func (x *Exchange) mayPassHint() bool {
	if x.response.hintedIn == 0 {
		x.response.hintedIn = x.attempt.count
	}
	return x.response.hintedIn == x.attempt.count
}

func (x *Exchange) badResponse(f *wire.Fault) Stage {
	x.detail = f.Reason
	return x.attemptFailed(502, reason.ResponseMalformed, pool.BadResponse, false)
}

// receiveFailed: no answer came.
func (x *Exchange) receiveFailed(err error) Stage {
	var fault *wire.Fault
	switch {
	case errors.Is(err, http2.ErrRefused):
		// RFC 9113 section 8.7: "Requests that have not been processed have not failed; clients MAY automatically retry them, even those with
		// non-idempotent methods."
		x.attempt.conn.Reused = true
		x.detail = err.Error()
		return x.attemptFailed(502, reason.StreamRefused, pool.Cancelled, true)
	case errors.Is(err, stream.ErrHTTP11):
		// RFC 9113 section 7: "HTTP_1_1_REQUIRED (0x0d): The endpoint requires that HTTP/1.1 be used instead of HTTP/2." It has done nothing with the request.
		x.attempt.needsHTTP1, x.attempt.conn.Reused = true, true
		x.detail = err.Error()
		return x.attemptFailed(502, reason.StreamRefused, pool.Cancelled, true)
	case errors.As(err, &fault):
		return x.badResponse(fault)
	}
	if x.attempt.up.started && !x.attempt.up.running && !x.attempt.up.finished && x.attempt.up.why != reason.SendCut {
		return x.uploadFailed()
	}
	switch {
	case x.attempt.ended != reason.Done && !x.client.left:
		return x.serverEnded()
	case x.client.left, errors.Is(err, engine.ErrInterrupted):
		return x.clientHungUp()
	case errors.Is(err, engine.ErrTimeout), x.isAtDeadline(): // a server that knows the deadline gives up at it, too
		outcome := pool.Timeout
		if x.isAtDeadline() && x.attempt.up.started && x.attempt.up.running {
			outcome = pool.Cancelled // the deadline counts the upload too, for which the server still waits
		}
		return x.attemptFailed(504, reason.ResponseTimeout, outcome, false)
	}
	outcome := pool.Reset
	if x.attempt.conn.Reused && x.response.reply.End == message.Room && !x.attempt.heard {
		outcome = pool.Cancelled // it was closed before the request came
	}
	if !errors.Is(err, io.EOF) {
		x.detail = endOf(err)
	}
	return x.attemptFailed(502, reason.ResponseCut, outcome, false)
}

// uploadFailed: the client's body was not good or did not come; it is told so.
func (x *Exchange) uploadFailed() Stage {
	why, fault := x.attempt.up.why, x.attempt.up.fault
	x.attempt.outcome = pool.Cancelled
	x.endAttempt()
	switch {
	case fault != nil:
		return x.refuse(fault, why)
	case why == reason.ClientBodyTimeout:
		x.reason = why
		x.response.local = localAnswer{status: 408}
		x.client.keepAlive, x.client.linger = false, true
		return Answer
	}
	return x.abandon(why)
}
