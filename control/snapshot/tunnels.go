package snapshot

import (
	"slices"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/telemetry/accesslog"
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/traffic/flow"
	"github.com/weir-proxy/weir/traffic/persistence"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/traffic/tunnel"
)

// tunnels is what carries the connections of a layer 4 listener.
func (b *builder) tunnels(l *config.Listener) *tunnel.Setup {
	s := &tunnel.Setup{Listener: l.Name, Protocol: accesslog.TCP, Way: b.way(l, l.Pool), Drain: bounded(l.Timeouts.Drain), Log: logFilter(&b.cfg.Logs.Access)}
	if n := l.Limits.Connections; n > 0 {
		s.MaxClients = perLoop(n, b.loops)
	}
	if l.Capture != nil {
		s.CapturedAt = l.Address[0].First
	}
	if l.Protocol != "tls" {
		return s
	}
	s.Protocol = accesslog.TLS
	if len(l.Sites) == 0 {
		return s
	}
	s.Ways = map[string]*tunnel.Named{}
	var specs []site.Spec
	for i := range l.Sites {
		p := &l.Sites[i]
		n := &tunnel.Named{Way: b.way(l, p.Pool), Terminate: p.Terminate, Protocols: map[string]*tunnel.Way{}}
		for _, a := range p.ALPN {
			n.Protocols[a.Name] = b.way(l, a.Pool)
		}
		s.Ways[p.Name] = n
		specs = append(specs, site.Spec{Pattern: p.Name})
	}
	s.Sites, _ = site.NewIndex(specs)
	return s
}

// way leads to a pool; nil where none is named, or it could not be built.
func (b *builder) way(l *config.Listener, name string) *tunnel.Way {
	p, d := b.cfg.Pool(name), b.out.Destinations[name]
	if p == nil || d == nil {
		return nil
	}
	to := *d
	if b.isClear(l, p) {
		transport := *d.Transport
		transport.TLS, transport.OpaqueTLS = nil, nil
		to.Transport = &transport
	}
	w := &tunnel.Way{To: &to, Connect: bounded(p.Timeouts.Connect), Idle: bounded(p.Timeouts.Tunnel), Retries: int(p.Retries.Count)}
	w.HalfClosed = p.Timeouts.HalfClosed.Std()
	if p.Timeouts.Lifetime > 0 {
		w.Lifetime = p.Timeouts.Lifetime.Std()
	}
	if c := p.Persistence; c != nil && !c.Off && c.Cookie == nil {
		w.Persistence = b.stay(p, c)
	}
	return w
}

// stay is what keeps clients with their servers by a table; routes and listeners that lead to the pool share it.
func (b *builder) stay(p *config.Pool, c *config.Persistence) *site.Persistence {
	at := keeping{p.Name, c}
	if b.keeper.made[at] == nil {
		k := persistence.Config{Scope: scopeOf(p, c), ByHost: c.Group != "", Table: b.keeper.table(scopeOf(p, c), c)}
		if c.Lost == "close" {
			k.Lost = persistence.LostClose
		}
		b.keeper.made[at] = &site.Persistence{Persistence: persistence.New(k), Key: site.Key{Kind: site.KeyClient}}
	}
	return b.keeper.made[at]
}

// isClear reports whether the connections to the servers carry what the client sends, and nothing around it. That a server's port is 443 turns TLS
// on for requests; here it is more likely that the clients speak it.
func (b *builder) isClear(l *config.Listener, p *config.Pool) bool {
	hasScheme := slices.ContainsFunc(p.Servers, func(s config.Server) bool { return s.Address.Scheme == "https" })
	return p.TLS != nil && (l.Protocol == "tls" || l.Protocol == "ftp" || !hasScheme && !b.cfg.IsWritten("pools."+p.Name+".tls"))
}

// scopeOf is under which name a pool's clients are known.
func scopeOf(p *config.Pool, c *config.Persistence) string {
	if c.Group != "" {
		return "group " + c.Group
	}
	return p.Name
}

// flows is what carries the datagrams of a listener.
func (b *builder) flows(l *config.Listener) *flow.Setup {
	way := b.way(l, l.Pool)
	if way == nil {
		return nil
	}
	captured := uint16(0)
	if l.Capture != nil {
		captured = l.Address[0].First
	}
	var proxies *filter.Networks
	if p := l.ProxyProtocol; p != nil {
		proxies = filter.NewNetworks(p.From)
	}
	return &flow.Setup{Listener: l.Name, Proxies: proxies, To: way.To, Persistence: way.Persistence, Idle: bounded(l.UDP.Idle), Replies: l.UDP.Replies,
		Most: perLoop(l.UDP.Flows, b.loops), Amplify: l.UDP.Amplification, CapturedAt: captured, Log: logFilter(&b.cfg.Logs.Access)}
}
