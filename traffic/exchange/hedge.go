package exchange

import (
	"errors"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/attempt"
	"github.com/weir-proxy/weir/traffic/http1"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/traffic/stream"
	"github.com/weir-proxy/weir/traffic/transport"
	wire "github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/http2"
	"github.com/weir-proxy/weir/wire/message"
)

// hedge is a second copy of a request that only reads, on its way to another server because the first takes longer than nearly all do. Whose answer begins
// first answers.
type hedge struct {
	want    transport.Want
	x       *Exchange // whose request it is; nil once the first server has answered, or nobody waits any more
	at      *perLoop
	to      *site.Destination
	server  *pool.Server
	load    *pool.Load
	held    pool.Held
	conn    *transport.Conn
	request []byte
	size    int
	connect time.Duration
	read    time.Duration
	began   int64        // microseconds
	own     http1.Server // conn's stream, where it speaks HTTP/1.1
	method  message.Method
	target  http2.Target
	res     message.Response // the first head that has come, with what came along
	reply   message.Piece
	won     bool // the answer is the exchange's to take
}

// patience is how long the first server has before a copy of the request goes to another; wait when none ever does. A client that stays with its server gets
// its answers from there.
func (x *Exchange) patience(wait time.Duration) time.Duration {
	h := x.request.destination.Hedge
	if h == nil || x.attempt.count != 1 || !x.request.head.Method.IsSafe() || x.request.body.framing != message.FramingNone || x.request.head.Upgrade || x.attempt.conn.Private ||
		x.request.route.Persistence != nil {
		return wait
	}
	h.Budgets.Of(x.at.loop.Index).Deposit()
	after := time.Duration(h.After(x.at.loop.Index)) * time.Microsecond
	if after == 0 {
		return wait // it is not known yet how long answers take
	}
	return min(wait, max(time.Millisecond, after))
}

// noteAnswer has hedging know how long an answer took.
func (x *Exchange) noteAnswer() {
	if h := x.request.destination.Hedge; h != nil {
		h.Loops[x.at.loop.Index].Note(x.timing.stages[Receive] - x.timing.asked)
	}
}

// startHedge sends the copy, if the budget pays for it and another server has room.
func (x *Exchange) startHedge() {
	d, at := x.request.destination, x.at.loop.Index
	if x.response.reply.End > message.Room || !d.Hedge.Budgets.Of(at).Withdraw(x.at.loop.Now()) {
		return
	}
	h := &hedge{x: x, at: x.at, to: d, connect: x.inTime(x.connectTimeout()), read: x.inTime(x.request.route.Response)}
	x.attempt.tried.Add(x.attempt.server)
	var why pool.Reason
	if h.server, why = d.Pool.Admit(at, x.at.loop.Now(), x.hashKey(&d.Key), &x.attempt.tried, false, &h.held); h.server == nil || why != pool.Picked || h.server == x.attempt.server {
		if h.server != nil {
			h.settle(pool.Cancelled, 0)
		}
		return
	}
	h.load, h.want = h.server.Load(at), x.want(h.server, d.Transport)
	h.own.Terms, h.method, h.target = x.attempt.own.Terms, x.request.head.Method, http2.Target{Secure: d.Transport.TLS != nil}
	first := x.attempt.server
	x.attempt.server = h.server // the head may name it
	h.request = x.at.loop.Buffer(x.request.head.Raw.Len() + len(x.request.forward) + headRoom)
	head := x.appendRequest(h.request[:0], 0, true)
	x.attempt.server = first
	h.request, h.size = head[:cap(head)], len(head)
	d.Hedge.Loops[at].Sent++
	x.attempt.hedge = h
	x.at.loop.Go(h)
}

// Run sends the copy and waits for the head of its answer.
func (h *hedge) Run() {
	outcome := h.ask()
	h.at.loop.Release(h.request)
	h.request = nil
	if x := h.x; x != nil && outcome == pool.OK {
		h.won = true
		x.attempt.conn.Interrupt() // that is what x waits on; it takes the answer
		return
	}
	h.drop(outcome)
}

// ask goes as far as the first head of the answer.
func (h *hedge) ask() pool.Outcome {
	conns := attempt.Conns(h.at.loop, h.server)
	if h.conn = conns.Take(h.want); h.conn == nil {
		d := attempt.Dialing(h.server, h.connect, &h.held)
		d.Heavy = true // nobody waits for it alone
		d.Opaque, d.Asked = h.want.HTTP1, h.want.Name
		conn, err := conns.Dial(h.to.Transport, d)
		if err != nil {
			_, outcome := attempt.Failure(err)
			if x := h.x; !h.isWanted() || outcome == pool.ConnectFailed && x.isNameUnknown(h.server, err) {
				return pool.Cancelled
			}
			return outcome
		}
		h.load.ConnectionsOpened++
		h.conn = conn
	}
	if h.x == nil {
		h.conn.Keep(h.to.Transport)
		h.conn = nil
		return pool.Cancelled
	}
	h.began = h.at.loop.Micros()
	h.conn.SetWriteTimeout(h.read)
	h.conn.Use(&h.own)
	sent, err := h.conn.Stream.WriteRequest(h.request[:h.size], h.method, h.target, false)
	if err == nil {
		var n int
		n, err = h.conn.Stream.Send(message.Piece{Ended: true}, nil)
		sent += n
	}
	if err != nil {
		return h.failed(err)
	}
	h.load.BytesSent += uint64(sent)
	h.conn.SetReadTimeout(h.read)
	h.reply.Empty()
	n, err := h.conn.Stream.ReadHead(&h.res, &h.reply)
	h.load.BytesReceived += uint64(n)
	if err != nil {
		return h.failed(err)
	}
	return pool.OK
}

// isWanted reports whether somebody still waits for the copy's answer.
func (h *hedge) isWanted() bool {
	return h.x != nil && !h.x.client.left && h.x.attempt.ended == reason.Done
}

// failed is what the copy's server is to blame for, as that of any other request would be: for nothing where nobody waits any more, where it has refused the request unseen, or
// where it had closed a connection that was reused.
func (h *hedge) failed(err error) pool.Outcome {
	var fault *wire.Fault
	switch {
	case !h.isWanted(), errors.Is(err, engine.ErrInterrupted), errors.Is(err, http2.ErrRefused):
		return pool.Cancelled
	case errors.Is(err, stream.ErrHTTP11):
		return pool.Cancelled
	case errors.As(err, &fault):
		return pool.BadResponse
	case errors.Is(err, engine.ErrTimeout):
		return pool.Timeout
	case h.conn.Reused && h.reply.End <= message.Room:
		return pool.Cancelled
	}
	return pool.Reset
}

// Panicked ends a copy that panicked.
func (h *hedge) Panicked() { h.drop(pool.Cancelled) }

// drop ends the copy, whose answer nobody takes.
func (h *hedge) drop(outcome pool.Outcome) {
	if x := h.x; x != nil {
		h.x, x.attempt.hedge = nil, nil
	}
	if h.conn != nil {
		h.conn.Close()
		h.conn = nil
	}
	h.at.loop.Release(h.reply.Buf)
	h.reply.Buf = nil
	h.settle(outcome, 0)
}

// settle gives back what the copy held.
func (h *hedge) settle(outcome pool.Outcome, latency int64) {
	if h.want.HTTP1 && outcome.IsFailure() {
		outcome = pool.Cancelled // as Exchange.judged says
	}
	p, l := h.to.Pool, h.at.loop
	p.End(h.server, l.Index, l.Now(), latency, outcome)
	attempt.Settle(l, p, h.server, &h.held)
}

// dropHedge ends the copy of a request that has its answer, or needs none.
func (x *Exchange) dropHedge() {
	h := x.attempt.hedge
	x.attempt.hedge, h.x = nil, nil
	switch {
	case h.won:
		x.attempt.conn.ClearInterrupt() // both came in the same turn
		h.drop(pool.Cancelled)
	case h.conn != nil:
		h.conn.Interrupt() // its own coroutine does the rest
	}
}

// takeHedge goes on with the answer to the copy. The first server's connection ends: its answer may still come.
func (x *Exchange) takeHedge() {
	h := x.attempt.hedge
	x.attempt.hedge, h.x = nil, nil
	x.attempt.conn.Close()
	p, l := x.request.destination.Pool, x.at.loop
	p.End(x.attempt.server, l.Index, l.Now(), 0, pool.Cancelled)
	x.attempt.place.Settle(l, p, x.attempt.server)
	l.Release(x.response.reply.Buf)
	x.attempt.heard = false
	if x.response.hintedIn != 0 {
		x.response.hintedIn = hintedBefore
	}
	x.attempt.server, x.attempt.load, x.attempt.conn, x.timing.asked = h.server, h.load, h.conn, h.began
	x.attempt.place.Held = h.held
	x.response.reply = h.reply
	list := append(x.response.head.List[:0], h.res.List...)
	x.response.head = h.res
	x.response.head.List = list
	x.request.destination.Hedge.Loops[l.Index].Won++
}
