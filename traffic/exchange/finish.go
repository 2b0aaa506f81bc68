package exchange

import (
	"github.com/weir-proxy/weir/telemetry/accesslog"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/wire/message"
)

// finish settles, counts and logs.
func (x *Exchange) finish() Stage {
	x.stamp(Finish)
	if why := x.session.evicted; why != 0 {
		x.reason, x.attempt.outcome = why, pool.Cancelled
	}
	if x.attempt.begun || x.attempt.conn != nil {
		x.endAttempt()
	}
	x.stopWatching()
	if x.request.kept != nil {
		x.dropKept()
	}
	if x.request.tee != nil {
		x.dropTee()
	}
	if x.request.twin != nil && x.session.shadow == nil {
		x.endTwin()
	}
	x.received -= x.pipelined()
	x.count()
	if x.isLogged() && x.mayLog() {
		x.log()
	}
	x.next()
	return Done
}

func (x *Exchange) count() {
	if x.session.shadow != nil {
		return
	}
	st := &x.at.Stats
	st.Reasons[x.reason]++
	if class := x.response.status / 100; class > 0 && class < len(st.Status) {
		st.Status[class]++
	}
	st.Received += uint64(x.received)
	st.Sent += uint64(x.sent)
}

// pipelined is how many bytes of the next request have come.
func (x *Exchange) pipelined() int64 {
	switch {
	case !x.client.keepAlive:
		return 0
	case x.client.ahead != nil:
		return int64(x.client.aheadLen)
	}
	return int64(max(0, x.request.inLen-x.request.headLen-x.request.body.have))
}

// next leaves in the buffer what belongs to the next request, and gives the buffers back.
func (x *Exchange) next() {
	end := x.request.headLen + x.request.body.have
	x.session.hint = 0
	if end > len(x.request.in)/4 && end <= 16<<10 {
		x.session.hint = 16 << 10
	}
	if x.client.ahead != nil {
		x.at.loop.Release(x.request.in)
		x.request.in, x.request.inLen, end = x.client.ahead, x.client.aheadLen, 0
		x.client.ahead = nil
	}
	if x.client.keepAlive && x.request.inLen > end {
		x.request.inLen = copy(x.request.in, x.request.in[end:x.request.inLen])
		x.at.loop.Release(x.attempt.out)
		x.at.loop.Release(x.response.reply.Buf)
		x.attempt.out, x.response.reply.Buf = nil, nil
		return
	}
	x.request.inLen = 0
}

// keepPipelined keeps the bytes that followed a streamed body, at most what one read brought: behind what the buffer holds, or in a
// buffer of their own, since nothing may move while the request's head is still looked at.
func (x *Exchange) keepPipelined(b []byte) {
	if len(b) <= len(x.request.in)-x.request.inLen {
		x.request.inLen += copy(x.request.in[x.request.inLen:], b)
		return
	}
	x.client.ahead = x.at.loop.Buffer(len(b))
	x.client.aheadLen = copy(x.client.ahead, b)
}

// releaseAll gives all buffers back to the loop.
func (x *Exchange) releaseAll() {
	if x.request.tee != nil {
		x.dropTee()
	}
	l := x.at.loop
	l.Release(x.request.in)
	l.Release(x.attempt.out)
	l.Release(x.response.reply.Buf)
	l.Release(x.client.ahead)
	x.request.in, x.attempt.out, x.response.reply.Buf, x.client.ahead, x.request.inLen = nil, nil, nil, nil, 0
}

// settlePanic is finish for an exchange whose stage panicked: its buffers are not used again, they may be anywhere.
func (x *Exchange) settlePanic() {
	x.client.keepAlive, x.attempt.isClean = false, false
	x.stopWatching()
	x.reason = reason.Panicked
	x.attempt.outcome = pool.Cancelled
	if x.attempt.up.started && x.attempt.up.running {
		x.attempt.up.conn.Interrupt()
		x.attempt.up.x = nil
	}
	if x.attempt.conn != nil {
		x.attempt.conn.Close()
		x.attempt.conn = nil
	}
	if x.attempt.hedge != nil {
		x.attempt.hedge.x = nil
	}
	if x.request.destination != nil {
		x.attempt.place.Leave(x.request.destination.Pool)
	}
	if x.attempt.begun {
		x.attempt.begun = false
		x.request.destination.Pool.End(x.attempt.server, x.at.loop.Index, x.at.loop.Now(), 0, pool.Cancelled)
		x.attempt.place.Settle(x.at.loop, x.request.destination.Pool, x.attempt.server)
	}
	x.at.Stats.Active--
	x.at.unlinkActive(x)
	x.at.loop.Hold(-exchangeHeld)
	x.count()
	if x.request.headLen > 0 && x.isLogged() {
		x.log()
	}
}

// isLogged reports whether the exchange goes to the access log.
func (x *Exchange) isLogged() bool {
	f := x.setup.Log
	return f != nil && x.session.shadow == nil && (x.request.route == nil || !x.request.route.Unlogged) && f.Takes(x.response.status, x.reason, x.at.loop.Micros()-x.timing.stages[Read])
}

// log puts a record of the exchange into the loop's ring.
func (x *Exchange) log() {
	l := x.at.loop
	began := x.timing.stages[Read]
	r := accesslog.Record{
		At: l.Time(began).UnixMicro(), Client: x.client.ip, Peer: x.session.peer, Status: uint16(x.response.status), Version: x.version(),
		TLS: x.session.secure, Attempts: uint8(min(x.attempt.count, 255)), Reason: x.reason, Sent: x.sent, Received: x.received,
		Matched: since(began, x.timing.stages[Match]), Connected: since(began, x.timing.stages[Send]), Answered: since(began, x.timing.stages[Receive]),
		Ended: l.Micros() - began,
	}
	r.PeerPort, r.OwnPort = x.client.conn.RemoteAddr().Port(), x.attempt.ownPort
	if !r.Client.IsValid() {
		r.Client = r.Peer
	}
	if x.request.headLen > 0 {
		r.Method, r.Target = x.request.head.MethodName.Of(x.request.head.Buf), x.request.head.Target.Of(x.request.head.Buf)
		r.Host = x.request.host
		r.Referer, r.UserAgent = x.request.head.Get(message.FieldReferer), x.request.head.Get(message.FieldUserAgent)
	}
	if x.setup.CapturedAt != 0 {
		r.Dest = x.client.conn.LocalAddr()
	}
	r.Detail = append(x.at.detail[:0], x.detail...)
	x.at.detail = r.Detail
	if x.request.route != nil {
		r.Route = append(x.at.names[0][:0], x.request.route.Name...)
		x.at.names[0] = r.Route
		if d := x.request.destination; d != nil {
			r.Pool = append(x.at.names[1][:0], d.Pool.Name...)
			x.at.names[1] = r.Pool
		}
	}
	if h := x.session.tls; h != nil {
		r.JA4, r.ClientCert = h.Print, h.AppendSubject(x.at.names[3][:0])
		x.at.names[3] = r.ClientCert
	}
	if x.attempt.server != nil {
		r.Server = append(x.at.names[2][:0], x.attempt.server.Name...)
		x.at.names[2] = r.Server
	}
	x.at.record = r.Append(x.at.record[:0])
	if !x.at.Ring.Put(x.at.record) {
		x.at.Stats.LogDrops++
	}
}

// version is that of HTTP, as 10, 11, 20 or 30.
func (x *Exchange) version() uint8 {
	if x.request.head.Major > 1 {
		return x.request.head.Major * 10
	}
	return 10 + x.request.head.Minor
}

func since(began, at int64) int32 {
	if at == 0 || began == 0 {
		return -1
	}
	return int32(at - began)
}
