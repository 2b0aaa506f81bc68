package exchange

import (
	"errors"
	"io"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/transport"
	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/http2"
)

// respRoom is what is left free before an answer, so that a head that has grown still ends where the body begins and both leave in one
// send without moving the body.
const respRoom = 1024

// receive reads the answer's head.
func (x *Exchange) receive() Stage {
	if x.conn.Stream != nil {
		return x.receiveStream()
	}
	x.respFrom, x.respLen = respRoom, respRoom
	c := x.conn
	wait := x.inTime(x.answerPause())
	if wait > watchTime {
		x.watchServer()
	}
	patience := x.patience(wait)
	c.SetReadTimeout(min(wait, patience))
	for {
		if x.respLen == len(x.resp) && !x.growResponse() {
			return x.badResponse(http1.FaultHeadSize)
		}
		n, err := x.readAnswer(c)
		if h := x.hedge; h != nil && h.won && err == engine.ErrInterrupted {
			x.takeHedge()
			c, n, err = x.conn, 0, nil
		}
		if err == engine.ErrTimeout && patience < wait {
			c.SetReadTimeout(wait - patience)
			patience = wait
			x.startHedge()
			continue
		}
		if err == engine.ErrTimeout && x.up.started {
			// The answer's time counts from the request's last byte, which may have gone out in the moment in which the time was over. Until
			// then the upload's own deadlines bound the wait.
			if left := x.inTime(x.up.answerTime(x.answerPause())); left > 0 && !x.isLate() {
				c.SetReadTimeout(left)
				continue
			}
		}
		if err != nil {
			return x.receiveFailed(err)
		}
		if x.hedge != nil {
			x.dropHedge()
		}
		x.respLen += n
		x.load.BytesReceived += uint64(n)
		for {
			next, again := x.parseResponse()
			if !again {
				if next == Receive {
					break
				}
				return next
			}
		}
	}
}

// readAnswer reads from the server. Before the first byte is there, it holds no buffer: an exchange that waits costs none, and all that are answered in
// a turn go through the same one.
func (x *Exchange) readAnswer(c *transport.Conn) (int, error) {
	if x.resp == nil {
		if err := engine.WaitArrival(c.Conn); err != nil {
			return 0, err
		}
		x.resp = x.at.loop.Buffer(engine.Buffer16K)
	}
	return c.Read(x.resp[x.respLen:])
}

// parseResponse tries to parse a head; Receive means that more is needed, again that an interim answer was dealt with.
func (x *Exchange) parseResponse() (next Stage, again bool) {
	b := x.resp[x.respFrom:x.respLen]
	n, fault := http1.ParseResponse(b, &x.res, x.req.Method, &x.setup.Limits)
	if fault != nil && x.destination.Transport.Tolerant {
		n, fault = x.mendHead(fault)
		b = x.resp[x.respFrom:x.respLen]
	}
	if fault != nil {
		return x.badResponse(fault), false
	}
	if n == 0 {
		return Receive, false
	}
	if x.res.Status >= 200 || x.res.Status == 101 {
		return x.gotHead(n), false
	}
	if next := x.gotInterim(b[:n]); next != Receive {
		return next, false
	}
	x.respFrom += n
	if x.respFrom == x.respLen {
		x.respFrom, x.respLen = respRoom, respRoom
		return Receive, false
	}
	return Receive, true
}

// mendHead writes a head anew that is wrong in ways that the pool's servers are forgiven.
func (x *Exchange) mendHead(fault *http1.Fault) (int, *http1.Fault) {
	raw := x.resp[x.respFrom:x.respLen]
	mended, n := http1.AppendMended(nil, raw)
	if n == 0 {
		if len(raw) >= x.setup.Limits.HeadMost() {
			return 0, fault
		}
		return 0, nil // more is to come
	}
	rest := raw[n:]
	b := x.at.loop.Buffer(max(respRoom+len(mended)+len(rest)+respRoom, len(x.resp)))
	copy(b[respRoom:], mended)
	copy(b[respRoom+len(mended):], rest)
	x.at.loop.Release(x.resp)
	x.resp, x.respFrom, x.respLen = b, respRoom, respRoom+len(mended)+len(rest)
	return http1.ParseTolerantly(b[respRoom:x.respLen], &x.res, x.req.Method, &x.setup.Limits)
}

// gotHead goes on with the final answer, whose head has n bytes.
func (x *Exchange) gotHead(n int) Stage {
	x.respHead = n
	x.stamp(Receive)
	x.noteAnswer()
	x.status = x.res.Status
	if x.attempts > 1 {
		x.reason, x.detail = reason.Done, "" // how an attempt before it failed is not how the exchange ends
	}
	if x.status == 401 && offersConnectionAuth(&x.res.Fields) {
		if x.session.stream != nil {
			// What authenticates a connection cannot be had where a connection is not one user's alone.
			x.code = http2.HTTP11Required
			return x.abandon(reason.HTTP11Required)
		}
		// By HTTP/2 the server has refused to say more; what follows from the client comes with credentials, and goes by HTTP/1.1.
		x.conn.Private = x.conn.Stream == nil
	}
	if x.status >= 300 && x.destination.Pool.IsFailure(x.status) {
		x.outcome = pool.GatewayError
	}
	return Response
}

// gotInterim deals with a 1xx answer; Receive goes on.
func (x *Exchange) gotInterim(head []byte) Stage {
	if !x.interims.Take(len(head), x.at.loop.Now()) {
		return x.badResponse(http1.FaultStatusLine)
	}
	if !x.passInterim(head) {
		return x.abandon(reason.ClientCut)
	}
	return Receive
}

// passInterim hands a 1xx answer on; false when the client is gone.
// RFC 9110 section 15.2: "A server MUST NOT send a 1xx response to an HTTP/1.0 client." "A proxy MUST forward 1xx responses unless the
// proxy itself requested the generation of the 1xx response."
func (x *Exchange) passInterim(head []byte) bool {
	if x.res.Status == 100 {
		if x.up.started && x.up.waiting {
			defer x.at.loop.Fire(&x.up.goAhead)
		} else if !x.req.Expect {
			return true
		}
	}
	if x.req.Minor == 0 {
		return true
	}
	x.takeClient()
	b := append(x.scratch(), "HTTP/1.1"...)
	b = append(b, head[len("HTTP/1.1"):int(x.res.FieldsAt.Off)]...)
	if x.res.Status != 100 {
		b = x.appendResponseFields(b)
	}
	b = append(b, "\r\n"...)
	x.sent += int64(len(b))
	return x.interimToClient(b)
}

// growResponse moves the answer into a larger buffer; false at the limit of a head.
func (x *Exchange) growResponse() bool {
	if x.respLen-x.respFrom >= x.setup.Limits.HeadMost() {
		return false
	}
	b := x.at.loop.Buffer(len(x.resp) * 4)
	x.respLen = respRoom + copy(b[respRoom:], x.resp[x.respFrom:x.respLen])
	x.respFrom = respRoom
	x.at.loop.Release(x.resp)
	x.resp = b
	return true
}

func (x *Exchange) badResponse(f *http1.Fault) Stage {
	x.detail = f.Reason
	return x.attemptFailed(502, reason.ResponseMalformed, pool.BadResponse, false)
}

// receiveFailed: no answer came.
func (x *Exchange) receiveFailed(err error) Stage {
	if x.up.started && !x.up.running && !x.up.finished && x.up.why != reason.SendCut {
		return x.uploadFailed()
	}
	switch {
	case x.ended != reason.Done && !x.left:
		return x.serverEnded()
	case x.left, errors.Is(err, engine.ErrInterrupted):
		return x.clientHungUp()
	case errors.Is(err, engine.ErrTimeout), x.isAtDeadline(): // a server that knows the deadline gives up at it, too
		outcome := pool.Timeout
		if x.isAtDeadline() && x.up.started && x.up.running {
			outcome = pool.Cancelled // the deadline counts the upload too, for which the server still waits
		}
		return x.attemptFailed(504, reason.ResponseTimeout, outcome, false)
	}
	outcome := pool.Reset
	if x.conn.Reused && x.respLen == respRoom {
		outcome = pool.Cancelled
	}
	if !errors.Is(err, io.EOF) {
		x.detail = err.Error()
	}
	return x.attemptFailed(502, reason.ResponseCut, outcome, false)
}

// uploadFailed: the client's body was not good or did not come; it is told so.
func (x *Exchange) uploadFailed() Stage {
	why, fault := x.up.why, x.up.fault
	x.outcome = pool.Cancelled
	x.endAttempt()
	switch {
	case fault != nil:
		return x.refuse(fault, why)
	case why == reason.ClientBodyTimeout:
		x.reason = why
		x.local = localAnswer{status: 408}
		x.keepAlive, x.linger = false, true
		return Answer
	}
	return x.abandon(why)
}
