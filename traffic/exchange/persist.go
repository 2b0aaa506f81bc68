package exchange

import (
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/persistence"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/wire/message"
)

// stay is what persistence knows of an exchange.
type stay struct {
	with     *pool.Server // the next attempt goes to; nil: any
	named    *pool.Server // that the client's own cookie, or the table, names
	key      uint64       // of the table
	hasKey   bool
	isNew    bool // the table does not have the key
	forgets  bool // weir's answer ends the client's stay with a server that is gone
	setsNone bool // the answer needs no cookie
}

// stayWith finds the server that the client stays with, for admit to take; without one any will do. A stage other than Pick is what happens instead.
func (x *Exchange) stayWith(p *site.Persistence) Stage {
	if x.attempt.count > x.attempt.stale {
		x.attempt.stay.with = nil
		if x.attempt.stay.named != nil && p.Lost != persistence.LostNext {
			return x.lost(p)
		}
		return Pick
	}
	var next Stage
	x.attempt.stay.with, next = x.persisted(p)
	return next
}

// persisted finds the server that the client stays with. It is nil for a client that is new; a stage other than Pick says what happens instead,
// because the server is gone.
func (x *Exchange) persisted(p *site.Persistence) (*pool.Server, Stage) {
	x.attempt.stay = stay{}
	set := x.request.route.Destination.Pool.Set()
	var s *pool.Server
	isKnown := false
	if p.Cookie != "" {
		value := cookie(&x.request.head.Fields, p.Cookie)
		var isOurs bool
		if s, isOurs = p.ByCookie(set, value); isOurs {
			x.attempt.stay.named = s
		}
		isKnown = s != nil || persistence.IsSigned(value)
	} else if x.attempt.stay.key, x.attempt.stay.hasKey = x.stayKey(&p.Key); x.attempt.stay.hasKey {
		s, isKnown = p.ByKey(set, x.attempt.stay.key, x.at.loop.Now())
		x.attempt.stay.named = s
	}
	mine := &x.request.route.Destination.Loops[x.at.loop.Index]
	if s != nil && s.Health() != pool.Down && !s.IsEjected(x.at.loop.Now()) && set.State(s) != pool.Disabled {
		if x.attempt.count == 0 {
			mine.Kept++
		}
		return s, Pick
	}
	if !isKnown {
		x.attempt.stay.isNew = x.attempt.stay.hasKey
		return nil, Pick
	}
	mine.Lost++
	return nil, x.lost(p)
}

// isTaken claims s for a client that the table does not know, and reports whether the client has got another server meanwhile, by another request.
func (x *Exchange) isTaken(s *pool.Server) bool {
	if !x.attempt.stay.isNew || x.isFallback() {
		return false
	}
	x.attempt.stay.isNew = false
	return x.request.route.Persistence.Claim(x.request.route.Destination.Pool.Set(), x.attempt.stay.key, s, x.at.loop.Now()) != s
}

// lost is what becomes of a client whose server is gone.
func (x *Exchange) lost(p *site.Persistence) Stage {
	switch p.Lost {
	case persistence.LostNext:
		return Pick
	case persistence.LostClose:
		x.fail(503, reason.PersistenceLost)
		x.client.keepAlive, x.client.linger = false, true
	default:
		x.gather()
		x.reason = reason.Redirected
		x.response.local = localAnswer{status: p.LostTo.Status, location: p.LostTo}
	}
	x.attempt.stay.forgets = true
	if x.attempt.stay.hasKey {
		p.Forget(x.attempt.stay.key)
	}
	return Answer
}

// stayKey is what the table knows the client by; false when the request does not say.
func (x *Exchange) stayKey(k *site.Key) (uint64, bool) {
	switch k.Kind {
	case site.KeyHeader:
		v := x.request.head.Lookup(k.Name)
		return pool.Key(v), len(v) > 0
	case site.KeyCookie:
		v := cookie(&x.request.head.Fields, k.Name)
		return pool.Key(v), len(v) > 0
	}
	return x.hashKey(k), true
}

// settle notes which server has answered the client, unless it answered that it cannot.
func (x *Exchange) settleStay(p *site.Persistence) {
	x.attempt.stay.setsNone = x.attempt.stay.named == x.attempt.server || x.attempt.outcome.IsFailure() || x.isFallback()
	if x.attempt.stay.setsNone {
		return
	}
	if p.Cookie == "" {
		if p.Key.Kind == site.KeyCookie {
			x.learnKey(&p.Key)
		}
		if !x.attempt.stay.hasKey {
			return
		}
		p.Keep(x.request.route.Destination.Pool.Set(), x.attempt.stay.key, x.attempt.server, x.at.loop.Now())
	}
	x.request.route.Destination.Loops[x.at.loop.Index].Placed++
}

// learnKey takes the key from a cookie that the server sets: the session is its own, and begins here.
func (x *Exchange) learnKey(k *site.Key) {
	f := &x.response.head.Fields
	for i := range f.List {
		if f.List[i].ID != message.FieldSetCookie {
			continue
		}
		v := f.ValueOf(i)
		if len(v) <= len(k.Name) || string(v[:len(k.Name)]) != k.Name || v[len(k.Name)] != '=' {
			continue
		}
		v = v[len(k.Name)+1:]
		for j, c := range v {
			if c == ';' {
				v = v[:j]
				break
			}
		}
		if v = message.TrimOWS(v); len(v) > 0 {
			x.attempt.stay.key, x.attempt.stay.hasKey = pool.Key(v), true
		}
	}
}

// appendStay appends the cookie of an answer of x.server.
func (x *Exchange) appendStay(b []byte) []byte {
	p := x.request.route.Persistence
	if p == nil || p.Cookie == "" || x.attempt.stay.setsNone {
		return b
	}
	return p.AppendSetCookie(b, x.request.route.Destination.Pool.Set(), x.attempt.server, x.scheme() == "https")
}

// appendForget appends, to an answer of weir's own, the end of the client's stay with a server that is gone.
func (x *Exchange) appendForget(b []byte) []byte {
	if !x.attempt.stay.forgets || x.request.route.Persistence.Cookie == "" {
		return b
	}
	return x.request.route.Persistence.AppendForget(b)
}
