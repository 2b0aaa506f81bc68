package config

import (
	"maps"
	"slices"
)

// IsForwarded reports whether the kernel carries the pool's connections.
func (p *Pool) IsForwarded() bool { return p.Mode == "nat" || p.Mode == "direct" }

// IsHashed reports whether clients are kept with their servers by a hash of their address, where the kernel carries the pool's connections.
func (p *Pool) IsHashed() bool {
	return p.Balance.Hash != nil || p.Balance.Maglev != nil || p.Persistence != nil && !p.Persistence.Off
}

// KernelBalance is how the kernel chooses among the pool's servers, whatever `balance` asks for.
func (p *Pool) KernelBalance() string {
	switch {
	case p.IsHashed():
		return "by weight and a hash of the client's address"
	case p.Mode == "direct":
		return "by weight and a hash of the client's address and port"
	}
	return "by weight and chance"
}

// checkForwarding finds what a pool asks for that the kernel cannot do, and ways to it that it cannot take.
func (r *reader) checkForwarding(cfg *Config) {
	for i := range cfg.Pools {
		if p := &cfg.Pools[i]; p.IsForwarded() {
			r.checkForwarded(p)
		} else {
			for key, written := range map[string]bool{"snat": p.SNAT, "interface": p.Interface != "", "on_stop": p.OnStop == "keep"} {
				if written {
					r.wrong(joinPath(joinPath("pools", p.Name), key), "is for mode: nat and direct; weir carries this pool's connections itself")
				}
			}
		}
	}
	for i := range cfg.Listeners {
		r.checkForwardingListener(cfg, &cfg.Listeners[i])
	}
	r.eachRoutesPool(cfg, func(path, name string) {
		if p := cfg.Pool(name); p != nil && p.IsForwarded() {
			r.wrong(path, "the kernel carries connections to pool %q as they come and knows no requests; give the route another pool", name)
		}
	})
}

func (r *reader) checkForwarded(p *Pool) {
	path := joinPath("pools", p.Name)
	wrong := func(key, why string) { r.wrong(joinPath(path, key), "%s", why) }
	if p.TLS != nil && !p.TLS.Off && r.isWritten(joinPath(path, "tls")) {
		wrong("tls", "the kernel sends bytes on as they are; TLS is for mode: proxy")
	}
	if p.ProxyProtocol != "" {
		wrong("proxy_protocol", "the kernel sends bytes on as they are, and servers see their clients anyway")
	}
	if p.Fallback != "" {
		wrong("fallback", "another pool can stand in only where weir carries the connections")
	}
	r.warnNotForwarded(p)
	if p.Mode == "direct" && p.Interface == "" {
		r.wrong(path, "needs the interface on whose network the servers are, as in interface: eth0")
	}
	if p.Mode == "direct" && p.SNAT {
		wrong("snat", "with mode: direct servers answer their clients themselves")
	}
	for i := range p.Servers {
		if p.Servers[i].Address.Unix != "" {
			r.wrong(indexPath(joinPath(path, "servers"), i), "the kernel cannot send packets on to a socket in the file system")
		}
	}
}

// Keys that have no effect where the kernel carries the connections.
var (
	notForwardedOfListener = []string{"proxy_protocol", "limits", "timeouts", "udp", "http", "trusted_fields", "public_port", "public_url"}
	notForwardedOfPool     = []string{"hedge", "protocol", "timeouts", "retries", "eject", "connections", "limits", "queue", "source", "buffer", "responses", "slow_start", "panic"}
	notForwardedOfServer   = []string{"max_connections", "max_requests", "cookie"}
)

// warnNotForwarded warns of keys that have no effect where the kernel carries the connections: a pool that moves to it takes them along.
func (r *reader) warnNotForwarded(p *Pool) {
	path := joinPath("pools", p.Name)
	warn := func(at, format string, values ...any) {
		if r.isWritten(at) {
			r.warn(r.at(at), at, format, values...)
		}
	}
	why := "mode: " + p.Mode + " has the kernel carry the connections"
	r.warnWithoutEffect(path, why, notForwardedOfPool)
	for i := range p.Servers {
		r.warnWithoutEffect(indexPath(joinPath(path, "servers"), i), why, notForwardedOfServer)
	}
	if c := p.Persistence; c != nil && !c.Off {
		warn(joinPath(path, "persistence"), "with mode: %s a client is kept with its server by a hash of its address, and by nothing else", p.Mode)
	}
	if p.Mode != "direct" {
		r.warnWithoutEffect(path, "it is for mode: direct", []string{"interface"})
	}
	balance := joinPath(path, "balance")
	switch method := p.Balance.Method; {
	case method == "hash", method == "maglev", p.Balance.Hash != nil, p.Balance.Maglev != nil:
		r.warnWithoutEffect(balance, why+", and counts none of them for each server", []string{"hash.load"})
	case p.Mode == "direct":
		warn(balance, "with mode: direct servers are chosen by weight and a hash of the client's address and port; %s is for mode: proxy", method)
	case method != "random":
		warn(balance, "with mode: nat servers are chosen by weight and chance; %s is for mode: proxy", method)
	}
}

func (r *reader) checkForwardingListener(cfg *Config, l *Listener) {
	path := joinPath("listeners", l.Name)
	for at, name := range l.pools() {
		p := cfg.Pool(name)
		switch {
		case p == nil || !p.IsForwarded():
			continue
		case l.Protocol != "tcp" && l.Protocol != "udp":
			r.wrong(at, "the kernel carries connections to pool %q as they come; that needs protocol: tcp or udp", name)
		case l.TLS != nil:
			r.wrong(joinPath(path, "tls"), "the kernel cannot end TLS; leave it out, or give pool %q mode: proxy", name)
		case l.Capture != nil:
			r.wrong(joinPath(path, "capture"), "contradicts mode: %s of pool %q", p.Mode, name)
		}
		r.warnWithoutEffect(path, "pool "+p.Name+" has mode: "+p.Mode+", and the kernel carries the connections", notForwardedOfListener)
		for _, a := range l.Address {
			switch {
			case a.Unix != "":
				r.wrong(joinPath(path, "address"), "the kernel cannot send connections to a socket in the file system on")
			case p.Mode == "direct" && !a.IP.IsValid():
				r.wrong(joinPath(path, "address"), "mode: direct needs the address that the servers have on their loopback interfaces, as in 192.0.2.10:%d", a.First)
			}
			if p.Mode == "direct" && a.First != l.Address[0].First {
				r.wrong(joinPath(path, "address"), "a direct listener has one port; give each port a listener and a pool")
				break
			}
			for i := range p.Servers {
				if port := p.Servers[i].Address.Port; p.Mode == "direct" && port != 0 && (port < a.First || port > a.Last) {
					r.wrong(indexPath(joinPath(joinPath("pools", p.Name), "servers"), i), "mode: direct leaves packets as they are: the server has to listen on the port of listener %s", l.Name)
				}
			}
		}
	}
}

// eachRoutesPool calls do for every pool that a route leads to, with the place that says so.
func (r *reader) eachRoutesPool(cfg *Config, do func(path, pool string)) {
	for i := range cfg.Sites {
		path := joinPath("sites", cfg.Sites[i].Name)
		do(joinPath(path, "pool"), cfg.Sites[i].Action.Pool)
		if s := cfg.Sites[i].Action.Split; s != nil {
			for _, arm := range s.Pools {
				do(joinPath(joinPath(path, "split"), arm.Pool), arm.Pool)
			}
		}
		for j := range cfg.Sites[i].Routes {
			route := &cfg.Sites[i].Routes[j]
			pools := map[string]string{joinPath(route.Key, "pool"): route.Pool}
			if m := route.Mirror; m != nil {
				pools[joinPath(route.Key, "mirror")] = m.Pool
			}
			if route.Split != nil {
				for _, arm := range route.Split.Pools {
					pools[joinPath(joinPath(route.Key, "split"), arm.Pool)] = arm.Pool
				}
			}
			for _, at := range slices.Sorted(maps.Keys(pools)) {
				do(at, pools[at])
			}
		}
	}
}
