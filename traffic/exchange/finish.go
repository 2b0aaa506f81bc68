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
		x.reason, x.outcome = why, pool.Cancelled
	}
	if x.attempted || x.conn != nil {
		x.endAttempt()
	}
	x.stopWatching()
	if x.kept != nil {
		x.dropKept()
	}
	if x.tee != nil {
		x.dropTee()
	}
	if x.twin != nil && x.session.shadow == nil {
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
	if class := x.status / 100; class > 0 && class < len(st.Status) {
		st.Status[class]++
	}
	st.Received += uint64(x.received)
	st.Sent += uint64(x.sent)
}

// pipelined is how many bytes of the next request have come.
func (x *Exchange) pipelined() int64 {
	switch {
	case !x.keepAlive:
		return 0
	case x.ahead != nil:
		return int64(x.aheadLen)
	}
	return int64(max(0, x.inLen-x.headLen-x.body.have))
}

// next leaves in the buffer what belongs to the next request, and gives the buffers back.
func (x *Exchange) next() {
	end := x.headLen + x.body.have
	x.session.hint = 0
	if end > len(x.in)/4 && end <= 16<<10 {
		x.session.hint = 16 << 10
	}
	if x.ahead != nil {
		x.at.loop.Release(x.in)
		x.in, x.inLen, end = x.ahead, x.aheadLen, 0
		x.ahead = nil
	}
	if x.keepAlive && x.inLen > end {
		x.inLen = copy(x.in, x.in[end:x.inLen])
		x.at.loop.Release(x.out)
		x.at.loop.Release(x.reply.Buf)
		x.out, x.reply.Buf = nil, nil
		return
	}
	x.inLen = 0
}

// keepPipelined keeps the bytes that followed a streamed body, at most what one read brought: behind what the buffer holds, or in a
// buffer of their own, since nothing may move while the request's head is still looked at.
func (x *Exchange) keepPipelined(b []byte) {
	if len(b) <= len(x.in)-x.inLen {
		x.inLen += copy(x.in[x.inLen:], b)
		return
	}
	x.ahead = x.at.loop.Buffer(len(b))
	x.aheadLen = copy(x.ahead, b)
}

// releaseAll gives all buffers back to the loop.
func (x *Exchange) releaseAll() {
	if x.tee != nil {
		x.dropTee()
	}
	l := x.at.loop
	l.Release(x.in)
	l.Release(x.out)
	l.Release(x.reply.Buf)
	l.Release(x.ahead)
	x.in, x.out, x.reply.Buf, x.ahead, x.inLen = nil, nil, nil, nil, 0
}

// settlePanic is finish for an exchange whose stage panicked: its buffers are not used again, they may be anywhere.
func (x *Exchange) settlePanic() {
	x.keepAlive, x.isClean = false, false
	x.stopWatching()
	x.reason = reason.Panicked
	x.outcome = pool.Cancelled
	if x.up.started && x.up.running {
		x.up.conn.Interrupt()
		x.up.x = nil
	}
	if x.conn != nil {
		x.conn.Close()
		x.conn = nil
	}
	if x.hedge != nil {
		x.hedge.x = nil
	}
	if x.destination != nil {
		x.place.Leave(x.destination.Pool)
	}
	if x.attempted {
		x.attempted = false
		x.destination.Pool.End(x.server, x.at.loop.Index, x.at.loop.Now(), 0, pool.Cancelled)
		x.place.Settle(x.at.loop, x.destination.Pool, x.server)
	}
	x.at.Stats.Active--
	x.at.unlinkActive(x)
	x.at.loop.Hold(-exchangeHeld)
	x.count()
	if x.headLen > 0 && x.isLogged() {
		x.log()
	}
}

// isLogged reports whether the exchange goes to the access log.
func (x *Exchange) isLogged() bool {
	f := x.setup.Log
	return f != nil && x.session.shadow == nil && (x.route == nil || !x.route.Unlogged) && f.Takes(x.status, x.reason, x.at.loop.Micros()-x.times[Read])
}

// log puts a record of the exchange into the loop's ring.
func (x *Exchange) log() {
	l := x.at.loop
	began := x.times[Read]
	r := accesslog.Record{
		At: l.Time(began).UnixMicro(), Client: x.from, Peer: x.session.peer, Status: uint16(x.status), Version: x.version(),
		TLS: x.session.secure, Attempts: uint8(min(x.attempts, 255)), Reason: x.reason, Sent: x.sent, Received: x.received,
		Matched: since(began, x.times[Match]), Connected: since(began, x.times[Send]), Answered: since(began, x.times[Receive]),
		Ended: l.Micros() - began,
	}
	r.PeerPort, r.OwnPort = x.client.RemoteAddr().Port(), x.ownPort
	if !r.Client.IsValid() {
		r.Client = r.Peer
	}
	if x.headLen > 0 {
		r.Method, r.Target = x.req.MethodName.Of(x.req.Buf), x.req.Target.Of(x.req.Buf)
		r.Host = x.host
		r.Referer, r.UserAgent = x.req.Get(message.FieldReferer), x.req.Get(message.FieldUserAgent)
	}
	if x.setup.CapturedAt != 0 {
		r.Dest = x.client.LocalAddr()
	}
	r.Detail = append(x.at.detail[:0], x.detail...)
	x.at.detail = r.Detail
	if x.route != nil {
		r.Route = append(x.at.names[0][:0], x.route.Name...)
		x.at.names[0] = r.Route
		if d := x.destination; d != nil {
			r.Pool = append(x.at.names[1][:0], d.Pool.Name...)
			x.at.names[1] = r.Pool
		}
	}
	if h := x.session.tls; h != nil {
		r.JA4, r.ClientCert = h.Print, h.AppendSubject(x.at.names[3][:0])
		x.at.names[3] = r.ClientCert
	}
	if x.server != nil {
		r.Server = append(x.at.names[2][:0], x.server.Name...)
		x.at.names[2] = r.Server
	}
	x.at.record = r.Append(x.at.record[:0])
	if !x.at.Ring.Put(x.at.record) {
		x.at.Stats.LogDrops++
	}
}

// version is that of HTTP, as 10, 11, 20 or 30.
func (x *Exchange) version() uint8 {
	if x.req.Major > 1 {
		return x.req.Major * 10
	}
	return 10 + x.req.Minor
}

func since(began, at int64) int32 {
	if at == 0 || began == 0 {
		return -1
	}
	return int32(at - began)
}
