package exchange

import (
	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/traffic/transport"
)

// KeepWarm keeps connections ready to the servers of d that get work. On the loop.
func KeepWarm(l *engine.Loop, d *site.Destination) {
	set := d.Pool.Set()
	for _, s := range set.Servers {
		if s.Health() == pool.Down || set.State(s) != pool.Available || s.IsEjected(l.Now()) {
			continue
		}
		connsTo(l, s).KeepWarm(addressOf(s), s.Host, d.Transport, placesOf(d.Pool.Set().Connections(s)))
	}
}

// connsTo is where the loop keeps its connections to s.
func connsTo(l *engine.Loop, s *pool.Server) *transport.Conns {
	load := s.Load(l.Index)
	conns, _ := load.Transport.(*transport.Conns)
	if conns == nil {
		conns = transport.NewConns(l)
		load.Transport = conns
	}
	return conns
}

func addressOf(s *pool.Server) engine.Address {
	return engine.Address{IP: s.Address.AddrPort, Path: s.Address.Path}
}
