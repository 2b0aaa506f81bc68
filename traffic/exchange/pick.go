package exchange

import (
	"time"

	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/attempt"
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/traffic/transport"
	"github.com/weir-proxy/weir/wire/message"
	"github.com/weir-proxy/weir/wire/proxyproto"
)

// pick chooses a server.
func (x *Exchange) pick() Stage {
	if x.isLate() {
		return x.late()
	}
	d := x.request.destination
	if x.attempt.count == 0 {
		x.stamp(Pick)
		x.client.conn.Watch(x)
		x.attempt.tried.Reset()
		x.budget().Deposit()
		if mine := &d.Loops[x.at.loop.Index]; x.session.counted != mine {
			x.session.counted = mine
			mine.Clients++
		}
	}
	if p := x.request.route.Persistence; p != nil && !x.isFallback() {
		if next := x.stayWith(p); next != Pick {
			return next
		}
	}
	s, why := x.Admit(false)
	if why == pool.Full && x.attempt.count == 0 {
		s, why = x.queue()
	}
	if s == nil && x.fallBack(why) {
		return Pick
	}
	if x.client.left {
		return x.leftWith(s)
	}
	if s == nil && why == pool.WaitedTooLong && x.isLate() {
		return x.late()
	}
	if s == nil {
		return x.noServer(why)
	}
	if x.isTaken(s) {
		d.Pool.End(s, x.at.loop.Index, x.at.loop.Now(), 0, pool.Cancelled)
		x.attempt.place.Settle(x.at.loop, d.Pool, s)
		return Pick
	}
	x.attempt.server, x.attempt.load = s, s.Load(x.at.loop.Index)
	x.attempt.count++
	x.attempt.outcome, x.attempt.heard = pool.OK, false
	x.attempt.begun = true
	if x.session.private != nil && x.attempt.count == 1 && x.resumePrivate(d) {
		return Send
	}
	return Connect
}

// leftWith ends an exchange whose client left while a server was chosen.
func (x *Exchange) leftWith(s *pool.Server) Stage {
	if s != nil {
		x.attempt.server, x.attempt.load = s, s.Load(x.at.loop.Index)
		x.attempt.begun = true
	}
	return x.clientHungUp()
}

// Admit chooses a server that has room: the one to which the client has a connection of its own, the one it stays with, or any.
func (x *Exchange) Admit(queued bool) (*pool.Server, pool.Reason) {
	d := x.request.destination
	if d.Pool.IsOriginal() {
		return x.admitOriginal()
	}
	if x.session.private != nil && x.attempt.count == 0 {
		if s := x.privateServer(d); s != nil {
			return d.Pool.AdmitTo(x.at.loop.Index, s, queued, &x.attempt.place.Held)
		}
	}
	if x.request.route.Persistence != nil && x.attempt.stay.with != nil && !x.isFallback() {
		return d.Pool.AdmitTo(x.at.loop.Index, x.attempt.stay.with, queued, &x.attempt.place.Held)
	}
	if x.request.head.Upgrade && x.wantsUpgrade() {
		return d.Pool.AdmitLasting(x.at.loop.Index, x.at.loop.Now(), x.hashKey(&d.Key), &x.attempt.tried, queued, &x.attempt.place.Held)
	}
	return d.Pool.Admit(x.at.loop.Index, x.at.loop.Now(), x.hashKey(&d.Key), &x.attempt.tried, queued, &x.attempt.place.Held)
}

// admitOriginal goes where the client wanted to go, and to no other server if that does not answer.
func (x *Exchange) admitOriginal() (*pool.Server, pool.Reason) {
	if x.attempt.count > x.attempt.stale {
		return nil, pool.AllTried
	}
	return attempt.ToOriginal(x.at.loop, x.request.destination.Pool, x.client.conn.LocalAddr(), x.setup.CapturedAt)
}

// budget is what pays for the retries: the route's own, or its pool's.
func (x *Exchange) budget() *pool.RetryBudget {
	if b := x.request.route.Budgets; b != nil {
		return b.Of(x.at.loop.Index)
	}
	return x.request.destination.Pool.Budget(x.at.loop.Index)
}

// fallBack turns to the pool that stands in, if no server of this one is well.
func (x *Exchange) fallBack(why pool.Reason) bool {
	if x.attempt.count > 0 || !attempt.FallsBack(x.request.destination, why) {
		return false
	}
	x.request.destination.Loops[x.at.loop.Index].FellBack++
	x.request.destination = x.request.destination.Fallback
	return true
}

// isFallback reports whether another pool stands in for the route's.
func (x *Exchange) isFallback() bool { return x.request.destination != x.request.route.Destination }

func (x *Exchange) noServer(why pool.Reason) Stage {
	if x.attempt.count > 0 {
		// Every server was tried: the client learns how the last attempt failed.
		return x.fail(x.response.local.status, x.reason)
	}
	switch why {
	case pool.Full, pool.Shed, pool.WaitedTooLong:
		return x.shed(attempt.NoServer(why))
	case pool.Left:
		return x.abandon(reason.ClientGone)
	case pool.NotCaptured:
		return x.fail(421, reason.NotCaptured)
	}
	return x.fail(503, attempt.NoServer(why))
}

func (x *Exchange) hashKey(k *site.Key) uint64 {
	switch k.Kind {
	case site.KeyClient:
		ip := x.client.ip.As16()
		return pool.Key(ip[:])
	case site.KeyPath:
		return pool.Key(x.request.path)
	case site.KeyURI:
		return pool.Key(x.request.head.Target.Of(x.request.head.Buf))
	case site.KeyHeader:
		return pool.Key(x.request.head.Lookup(k.Name))
	case site.KeyCookie:
		return pool.Key(cookie(&x.request.head.Fields, k.Name))
	}
	return 0
}

// cookie finds the value of a cookie; nil if it was not sent.
func cookie(f *message.Fields, name string) []byte {
	for i := range f.List {
		if f.List[i].ID != message.FieldCookie {
			continue
		}
		for v := f.ValueOf(i); len(v) > 0; {
			var pair []byte
			end := 0
			for end < len(v) && v[end] != ';' {
				end++
			}
			pair, v = message.TrimOWS(v[:end]), v[min(end+1, len(v)):]
			if len(pair) > len(name) && pair[len(name)] == '=' && string(pair[:len(name)]) == name {
				return pair[len(name)+1:]
			}
		}
	}
	return nil
}

// connect takes a warm connection to the server, or opens one.
func (x *Exchange) connect() Stage {
	conns := attempt.Conns(x.at.loop, x.attempt.server)
	t := x.request.destination.Transport
	w := x.want(x.attempt.server, t)
	x.attempt.asHTTP1 = w.HTTP1
	switch {
	case x.attempt.stale >= 2:
		conns.CloseIdle()
	case t.ByClient:
		x.attempt.conn = conns.TakeOf(x.client.ip, x.attempt.server.Address.AddrPort.Addr(), t, w.Name)
	default:
		x.attempt.conn = conns.Take(w)
	}
	if x.attempt.conn != nil {
		return x.connected()
	}
	x.stamp(Connect)
	d := attempt.Dialing(x.attempt.server, x.inTime(x.connectTimeout()), &x.attempt.place.Held)
	d.Cancel, d.Heavy = &x.attempt.cancel, x.session.hasMuch()
	d.Source, d.Reuse = x.client.ip, x.attempt.stale < 2 && !t.Private && !t.ByClient && w == transport.Want{}
	d.Opaque, d.Asked = w.HTTP1, w.Name
	if x.request.destination.Proxy != 0 {
		d.Preface = x.proxyHeader()
	}
	conn, err := attempt.Dial(x.at.loop, x.attempt.server, t, d)
	if err != nil {
		return x.connectFailed(err)
	}
	if !conn.Reused {
		x.attempt.load.ConnectionsOpened++
	}
	x.attempt.conn = conn
	return x.connected()
}

// connected goes on with the connection, unless it cannot carry what is asked for.
func (x *Exchange) connected() Stage {
	if x.client.left {
		return x.clientHungUp()
	}
	if x.attempt.conn.IsShared() && x.wantsUpgrade() {
		return x.connectUpgrade()
	}
	return Send
}

// proxyHeader tells the server who has the connection, by the PROXY protocol: it is this client's alone.
func (x *Exchange) proxyHeader() []byte {
	h := proxyproto.Header{Source: x.client.conn.RemoteAddr(), Destination: x.client.conn.LocalAddr()}
	if x.request.destination.Proxy == 1 {
		return proxyproto.AppendV1(nil, h.Source, h.Destination)
	}
	h.TLVs = x.session.toldTLVs()
	return proxyproto.AppendV2(nil, &h)
}

// toldTLVs is what is known of the client's connection besides its ends: of the TLS that weir has ended, and what another proxy has told.
func (s *session) toldTLVs() proxyproto.TLVs {
	h := s.tls
	if h == nil {
		return s.tlvs()
	}
	e := proxyproto.Ended{Protocol: h.Protocol, ServerName: h.ServerName}
	e.Version, e.Cipher = filter.TLSNames(h.Version, h.Suite)
	if h.Certificate != nil {
		e.HasCert, e.CommonName = true, h.Certificate.Subject.CommonName
	}
	return proxyproto.AppendEnded(nil, &e, s.tlvs())
}

func (s *session) tlvs() proxyproto.TLVs {
	if s.told == nil {
		return nil
	}
	return *s.told
}

func kept(told proxyproto.TLVs) *proxyproto.TLVs {
	if len(told) == 0 {
		return nil
	}
	copied := told
	return &copied
}

// connectTimeout is the route's, or its pool's.
func (x *Exchange) connectTimeout() time.Duration {
	switch {
	case x.request.route.Connect > 0:
		return x.request.route.Connect
	case x.request.destination.Transport.Connect > 0:
		return x.request.destination.Transport.Connect
	}
	return transport.DefaultConnect
}

// connectFailed: nothing was sent, so any request may go to another server.
func (x *Exchange) connectFailed(err error) Stage {
	x.detail = err.Error()
	why, outcome := attempt.Failure(err)
	if outcome == pool.ConnectFailed && x.isNameUnknown(x.attempt.server, err) {
		outcome = pool.Cancelled
	}
	status := 502
	switch why {
	case reason.ConnectTimeout:
		status = 504
	case reason.ConnectLimit:
		status = 503
	}
	return x.attemptFailed(status, why, outcome, true)
}

// attemptFailed ends an attempt, and leads to another one where that is safe and the budget allows. unsent says that the server
// cannot have seen anything of the request.
func (x *Exchange) attemptFailed(status int, why reason.Reason, outcome pool.Outcome, unsent bool) Stage {
	if x.client.left {
		return x.clientHungUp()
	}
	x.attempt.outcome = outcome
	x.attempt.isClean = false
	reused := x.attempt.conn != nil && x.attempt.conn.Reused
	consumed := x.attempt.up.started && !x.request.kept.isWhole() // bytes of the body are gone
	x.endAttempt()
	x.reason = why
	x.response.local = localAnswer{status: status}
	if x.isLate() {
		return x.late()
	}
	// A request that timed out may still be running. One that only reads may be sent again all the same, as long as the budget pays; two that write
	// would race.
	safe := unsent || x.request.head.Method.IsSafe() || x.request.head.Method.IsIdempotent() && outcome != pool.Timeout
	if consumed || x.response.sentAny || !safe {
		return Answer
	}
	if reused && outcome == pool.Cancelled && x.attempt.stale < 3 {
		// The server closed the idle connection as the request was on its way: says nothing about the server, costs no budget.
		x.attempt.stale++
		return Pick
	}
	x.attempt.tried.Add(x.attempt.server)
	if x.attempt.count-x.attempt.stale > x.request.route.Retries || !x.budget().Withdraw(x.at.loop.Now()) {
		return Answer
	}
	x.at.Stats.Retries++
	x.attempt.load.Retries++
	return Pick
}

// endAttempt settles the attempt: its server connection is kept or closed, its outcome counted.
func (x *Exchange) endAttempt() {
	if !x.attempt.begun && x.attempt.conn == nil {
		return
	}
	if x.attempt.hedge != nil {
		x.dropHedge()
	}
	if x.attempt.up.started {
		x.attempt.up.stop()
	}
	d := x.request.destination
	if c := x.attempt.conn; c != nil {
		x.attempt.conn = nil
		switch {
		case !x.attempt.isClean || !c.Stream.IsClean(), x.attempt.server.IsGone(): // nobody would ever take it, or close it before its time
			c.Close()
		case c.Private:
			x.hold(d, c)
		default:
			c.Keep(d.Transport)
		}
	}
	if x.attempt.begun {
		x.attempt.begun = false
		latency := int64(0)
		if at := x.timing.stages[Receive]; at > 0 {
			latency = at - x.timing.asked
		}
		d.Pool.End(x.attempt.server, x.at.loop.Index, x.at.loop.Now(), latency, x.judged())
		x.attempt.place.Settle(x.at.loop, d.Pool, x.attempt.server)
	}
}

// judged is the outcome by which the server is judged. A server of another version need not speak HTTP/1.1, of which an upgrade or a way to authenticate makes use: any client could have
// all servers of such a pool ejected.
func (x *Exchange) judged() pool.Outcome {
	if x.attempt.asHTTP1 && x.attempt.outcome.IsFailure() {
		return pool.Cancelled
	}
	return x.attempt.outcome
}
