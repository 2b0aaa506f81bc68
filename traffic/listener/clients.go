package listener

import (
	"hash/maphash"
	"math"
	"net/netip"
	"sync"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
)

// clients counts the connections of each client of a listener, over all loops. A connection takes a lock for a moment as it begins and as it ends; a request takes none. Any goroutine.
type clients struct {
	seed   maphash.Seed
	shards [clientShards]clientShard
}

const clientShards = 64

type clientShard struct {
	mu sync.Mutex
	n  map[netip.Addr]int
	_  [48]byte
}

func newClients() *clients { return &clients{seed: maphash.MakeSeed()} }

func (s *clients) shard(a netip.Addr) *clientShard {
	return &s.shards[maphash.Comparable(s.seed, a)%clientShards]
}

// enter counts a connection; false if the client has as many as it may.
func (s *clients) enter(a netip.Addr, most int) bool {
	a = engine.Network(a)
	h := s.shard(a)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.n[a] >= most {
		return false
	}
	if h.n == nil {
		h.n = map[netip.Addr]int{}
	}
	h.n[a]++
	return true
}

// Closed takes back what enter counted.
func (s *clients) Closed(a netip.Addr) {
	a = engine.Network(a)
	h := s.shard(a)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.n[a]--; h.n[a] <= 0 {
		delete(h.n, a)
	}
}

// perClient is how many connections a client with an address may have; false where there is no limit, as for proxies, which stand for many clients.
func (s *Setup) perClient(a netip.Addr, e *engine.Engine) (most int, limited bool) {
	switch {
	case s.PerClient == 0 || !a.IsValid():
		return 0, false
	case s.Proxies != nil && s.Proxies.Contains(a), s.HTTP != nil && s.HTTP.Trusted != nil && s.HTTP.Trusted.Contains(a):
		return 0, false
	case s.PerClient > 0:
		return s.PerClient, true
	}
	all := e.ClientsMost()
	if s.Connections > 0 {
		all = min(all, int64(s.Connections))
	}
	return int(max(1, all*int64(-s.PerClient)/100)), true
}

// count counts a connection that is not new.
func (l *Listener) count(c engine.Conn) {
	a := c.RemoteAddr().Addr()
	if _, limited := l.setup.Load().perClient(a, c.Loop().Engine()); limited {
		l.clients.enter(a, math.MaxInt)
		engine.AtClose(c, l.clients)
	}
}

// admit counts a connection among its client's, until it is closed; false if it was refused, and has ended.
func (l *Listener) admit(c engine.Conn, setup *Setup) bool {
	a := c.RemoteAddr().Addr()
	most, limited := setup.perClient(a, c.Loop().Engine())
	if !limited {
		return true
	}
	if !l.clients.enter(a, most) {
		l.drop(c, reason.ClientFull, nil)
		return false
	}
	engine.AtClose(c, l.clients)
	return true
}
