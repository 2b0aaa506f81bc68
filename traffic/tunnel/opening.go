package tunnel

import (
	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/attempt"
	"github.com/weir-proxy/weir/traffic/persistence"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/traffic/transport"
	"github.com/weir-proxy/weir/wire/proxyproto"
	"github.com/weir-proxy/weir/wire/sniff"
)

// opening is what a tunnel needs until its server's connection stands, and no longer. Owned by its loop and reused.
type opening struct {
	t       *Tunnel
	place   attempt.Place
	cancel  transport.Cancel
	tried   pool.Tried
	stay    *pool.Server // the client stays with; nil: any
	key     uint64       // of the table of persistence
	isNew   bool         // the table does not have it
	preface []byte
}

const openingsKept = 256

func (p *perLoop) takeOpening() *opening {
	if n := len(p.free); n > 0 {
		op := p.free[n-1]
		p.free = p.free[:n-1]
		return op
	}
	return &opening{}
}

func (p *perLoop) giveOpening(op *opening) {
	preface := op.preface[:0]
	*op = opening{preface: preface}
	if len(p.free) < openingsKept {
		p.free = append(p.free, op)
	}
}

// connect goes from server to server until a connection stands. What it holds then is the tunnel's.
func (op *opening) connect(o *Opened) (*transport.Conn, reason.Reason) {
	t := op.t
	t.to = t.way.To
	l := t.at.loop
	t.to.Pool.Budget(l.Index).Deposit()
	t.to.Loops[l.Index].Clients++
	last := reason.PoolDown
	t.client.Watch(op)
	defer t.client.Watch(nil)
	for {
		s, why := op.pick()
		switch {
		case s == nil && t.isSettled:
			return nil, reason.Stopping
		case s == nil && t.attempts > 0:
			return nil, last // every server was tried
		case s == nil:
			return nil, why
		case t.isSettled: // cut while it waited
			op.giveBack(s, pool.Cancelled)
			return nil, reason.Stopping
		}
		t.attempts++
		d := attempt.Dialing(s, t.way.Connect, &op.place.Held)
		d.Source, d.Cancel = t.peer, &op.cancel
		if d.Address.Path == "" && d.Address.IP.Port() == 0 {
			d.Address.IP = s.Address.At(t.client.LocalAddr().Port())
		}
		d.Opaque, d.Preface = true, op.proxyHeader(o)
		if o.AsksTLS {
			op.preface = sniff.AppendPostgresTLS(op.preface)
			d.Preface, d.Awaits = op.preface, sniff.AnswerYes
		}
		began := l.Micros()
		conn, err := attempt.Dial(l, s, t.to.Transport, d)
		if err == nil {
			op.reached(s, l.Micros()-began)
			if t.setup.Log != nil {
				t.ownPort = conn.LocalAddr().Port()
			}
			engine.WatchPeer(conn.Conn)
			return conn, reason.Done
		}
		var outcome pool.Outcome
		last, outcome = attempt.Failure(err)
		t.detail = err.Error()
		op.giveBack(s, outcome)
		op.tried.Add(s)
		if t.isSettled || t.attempts > t.way.Retries || !t.to.Pool.Budget(l.Index).Withdraw(l.Now()) {
			return nil, last
		}
		t.at.Retries++
		s.Load(l.Index).Retries++
	}
}

// pick chooses a server, of the pool or of one that stands in for it.
func (op *opening) pick() (s *pool.Server, why reason.Reason) {
	t := op.t
	for {
		op.isNew = false
		if op.stay = nil; t.way.Persistence != nil && t.to == t.way.To && t.attempts == 0 {
			var isLost bool
			if op.stay, isLost = op.persisted(t.way.Persistence); isLost {
				return nil, reason.PersistenceLost
			}
		}
		s, no := op.Admit(false)
		if no == pool.Full && t.attempts == 0 {
			s, no = op.place.Queue(t.at.loop, t.to.Pool, t.peer, pool.Default, 0, op)
		}
		if s != nil && op.isTaken(s) {
			op.giveBack(s, pool.Cancelled)
			continue
		}
		if s != nil {
			return s, reason.Done
		}
		if t.attempts > 0 || !attempt.FallsBack(t.to, no) {
			return nil, attempt.NoServer(no)
		}
		t.to.Loops[t.at.loop.Index].FellBack++
		t.to = t.to.Fallback
	}
}

// Admit chooses a server that has room.
func (op *opening) Admit(queued bool) (*pool.Server, pool.Reason) {
	t, l := op.t, op.t.at.loop
	if t.to.Pool.IsOriginal() {
		if t.attempts > 0 {
			return nil, pool.AllTried
		}
		return attempt.ToOriginal(l, t.to.Pool, t.client.LocalAddr(), t.setup.CapturedAt)
	}
	if op.stay != nil {
		return t.to.Pool.AdmitTo(l.Index, op.stay, queued, &op.place.Held)
	}
	return t.to.Pool.AdmitLasting(l.Index, l.Now(), t.hashKey(), &op.tried, queued, &op.place.Held)
}

// HasLeft reports whether the client has reset its connection. One that has finished may still want its answer.
func (op *opening) HasLeft() bool { return op.t.isSettled }

// Changed ends the tunnel of a client that is lost while it waits.
func (op *opening) Changed(what engine.Change) {
	if what == engine.Gone {
		op.t.cut(reason.ClientGone)
	}
}

// stop gives up what is waited for.
func (op *opening) stop() {
	op.cancel.Call()
	op.place.Wake()
}

// hashKey is the client's address: of what a tunnel carries nothing is known.
func (t *Tunnel) hashKey() uint64 {
	if t.to.Key.Kind == site.KeyNone {
		return 0
	}
	return clientKey(t)
}

func clientKey(t *Tunnel) uint64 {
	ip := t.peer.As16()
	return pool.Key(ip[:])
}

// persisted is the server that the client stays with; nil if it is new or its server is gone, which isLost says where the client is to lose its
// connection for it.
func (op *opening) persisted(p *site.Persistence) (s *pool.Server, isLost bool) {
	t, l := op.t, op.t.at.loop
	set, mine := t.to.Pool.Set(), &t.to.Loops[l.Index]
	op.key = clientKey(t)
	s, isKnown := p.ByKey(set, op.key, l.Now())
	switch {
	case s != nil && s.Health() != pool.Down && !s.IsEjected(l.Now()) && set.State(s) != pool.Disabled:
		mine.Kept++
		return s, false
	case !isKnown:
		op.isNew = true
		return nil, false
	}
	mine.Lost++
	if p.Lost != persistence.LostClose {
		return nil, false
	}
	p.Forget(op.key)
	return nil, true
}

// isTaken claims s for a client that is new, and reports whether the client has got another server meanwhile, by another of its connections.
func (op *opening) isTaken(s *pool.Server) bool {
	t, p := op.t, op.t.way.Persistence
	if !op.isNew {
		return false
	}
	op.isNew = false
	return p.Claim(t.to.Pool.Set(), op.key, s, t.at.loop.Now()) != s
}

// reached settles that the server has taken the connection.
func (op *opening) reached(s *pool.Server, micros int64) {
	t, l := op.t, op.t.at.loop
	t.server, t.held = s, op.place.Held
	op.place.Held = pool.Held{}
	s.Load(l.Index).ConnectionsOpened++
	t.to.Pool.Reached(s, l.Index, l.Now(), micros)
	if p := t.way.Persistence; p != nil && t.to == t.way.To && s != op.stay {
		p.Keep(t.to.Pool.Set(), op.key, s, l.Now())
		t.to.Loops[l.Index].Placed++
	}
}

// giveBack ends an attempt that came to nothing.
func (op *opening) giveBack(s *pool.Server, outcome pool.Outcome) {
	t, l := op.t, op.t.at.loop
	t.to.Pool.End(s, l.Index, l.Now(), 0, outcome)
	op.place.Settle(l, t.to.Pool, s)
}

// proxyHeader is what the server is told of the client before anything else; nil where it is not.
func (op *opening) proxyHeader(o *Opened) []byte {
	t := op.t
	op.preface = op.preface[:0]
	switch t.to.Proxy {
	case 1:
		op.preface = proxyproto.AppendV1(op.preface, t.client.RemoteAddr(), t.client.LocalAddr())
	case 2:
		h := proxyproto.Header{Source: t.client.RemoteAddr(), Destination: t.client.LocalAddr(), TLVs: o.TLVs}
		op.preface = proxyproto.AppendV2(op.preface, &h)
	}
	return op.preface
}
