package config

import (
	"maps"
	"slices"
)

func (r *reader) checkAnnounced(path string, l *Listener) {
	if a := l.FTP.Announce; a.IsValid() && !a.Is4() {
		r.wrong(joinPath(path, "ftp")+".announce", "PASV tells IPv4 addresses only, and %v is of IPv6; EPSV tells none", a)
	}
}

// checkProtocol finds keys that a listener's protocol has nothing for.
func (r *reader) checkProtocol(path string, l *Listener) {
	wrong := func(key, why string) {
		if r.isWritten(joinPath(path, key)) {
			r.wrong(joinPath(path, key), "%s", why)
		}
	}
	if l.Protocol != "ftp" {
		wrong("ftp", "only a listener with protocol: ftp speaks it")
	} else if l.FTP.Implicit && l.TLS == nil {
		r.wrong(joinPath(path, "ftp")+".implicit", "needs tls with a certificate")
	} else if hasControl(l.FTP.Greeting) {
		r.wrong(joinPath(path, "ftp")+".greeting", "a greeting is one line")
	}
	if l.Protocol != "udp" {
		wrong("udp", "only a listener with protocol: udp has datagrams")
	} else {
		wrong("tls", "weir ends no TLS over UDP")
		if l.Capture != nil {
			wrong("proxy_protocol", "datagrams that are captured come from clients, and no proxy is in front of them")
		}
		for i, a := range l.Address {
			if a.Unix != "" {
				r.wrong(indexPath(joinPath(path, "address"), i), "a socket in the file system takes connections, not datagrams")
			}
		}
		if l.UDP.Idle == off {
			r.wrong(joinPath(path, "udp")+".idle", "a flow has no other end than silence; give it a time")
		}
	}
	if l.IsHTTP() {
		wrong("pool", "an http listener serves the sites; give it protocol: tcp to carry its connections to a pool")
		wrong("sites", "an http listener serves the top-level sites; with protocol: tls it goes by server names")
		return
	}
	for _, key := range []string{"redirect", "trusted_proxies", "forwarded"} {
		if l.Terminates() && key != "redirect" {
			continue
		}
		wrong(key, "only an http listener has requests")
	}
	if l.Protocol != "tls" {
		wrong("sites", "only a listener with protocol: tls knows the names that clients ask for")
		if l.Pool == "" && len(l.FTP.Users) == 0 && !r.failedBelow(joinPath(path, "pool")) {
			r.wrong(path, "needs a pool for its connections")
		}
		return
	}
	if len(l.Sites) == 0 && l.Pool == "" && !r.failedBelow(joinPath(path, "sites")) {
		r.wrong(path, "needs sites, or a pool for all connections")
	}
	if !l.Terminates() {
		wrong("tls", "TLS is passed on as it is; to end it here say protocol: tcp, or http, or terminate for some of the sites")
	}
	for i := range l.Sites {
		r.checkPassthrough(joinPath(joinPath(path, "sites"), l.Sites[i].Name), &l.Sites[i])
	}
}

func (r *reader) checkPassthrough(path string, s *Passthrough) {
	switch {
	case s.Terminate && s.Pool != "":
		r.wrong(path, "terminate and a pool contradict each other")
	case !s.Terminate && s.Pool == "" && len(s.ALPN) == 0 && !r.failedBelow(path):
		r.wrong(path, "needs a pool, or terminate")
	}
	r.checkHostPattern(path, s.Name)
}

// checkWays looks at the pools that layer 4 listeners lead to: they exist, and ask for nothing that only a request could tell.
func (r *reader) checkWays(cfg *Config) {
	told := map[string]bool{}
	for i := range cfg.Listeners {
		pools := cfg.Listeners[i].pools()
		for _, at := range slices.Sorted(maps.Keys(pools)) {
			r.checkPoolName(cfg, at, pools[at])
			if p := cfg.Pool(pools[at]); p != nil && !told[p.Name] {
				told[p.Name] = true
				r.checkWay(cfg, &cfg.Listeners[i], p)
			}
		}
	}
}

// checkDatagrams finds what only connections have.
func (r *reader) checkDatagrams(path string, l *Listener, p *Pool) {
	if p.TLS != nil && !p.TLS.Off {
		r.wrong(path+".tls", "listener %s carries datagrams, and weir speaks no TLS over them", l.Name)
	}
	if p.ProxyProtocol == "v1" {
		r.wrong(path+".proxy_protocol", "listener %s carries datagrams, and only v2 has a form for them", l.Name)
	}
	for i := range p.Servers {
		if p.Servers[i].Address.Unix != "" {
			r.wrong(indexPath(path+".servers", i), "listener %s carries datagrams, and a socket in the file system takes none", l.Name)
		}
	}
}

func (r *reader) checkWay(cfg *Config, l *Listener, p *Pool) {
	path := joinPath("pools", p.Name)
	if s := p.Persistence; s != nil && !s.Off && (s.Cookie != nil || s.On.Kind != "client_ip" && s.On.Kind != "") {
		r.wrong(path+".persistence", "listener %s carries connections and knows their clients by { on: client_ip } alone", l.Name)
	}
	for _, k := range []*Hash{p.Balance.Hash, p.Balance.Maglev} {
		if k != nil && k.On.Kind != "client_ip" {
			r.wrong(path+".balance", "listener %s carries connections, of which only client_ip can be hashed", l.Name)
		}
	}
	if l.Protocol == "tls" && p.TLS != nil && !p.TLS.Off {
		r.wrong(path+".tls", "listener %s passes TLS on as it comes; a second one around it would be understood by no server", l.Name)
	}
	if l.Protocol == "udp" {
		r.checkDatagrams(path, l, p)
	}
	r.checkPorts(cfg, path, l, p)
	for i := range p.Servers {
		if l.is(p.Servers[i].Address) {
			r.wrong(indexPath(path+".servers", i), "%v is listener %s itself: what it carries would come back for ever", p.Servers[i].Address, l.Name)
		}
	}
}

// is reports whether a server is the listener itself, for a client on this machine.
func (l *Listener) is(server ServerAddress) bool {
	ip, isIP := server.IP()
	return isIP && slices.ContainsFunc(l.Address, func(a Address) bool {
		own := a.IP.Unmap()
		isHere := own == ip.Unmap() || (!own.IsValid() || own.IsUnspecified()) && ip.IsLoopback()
		return a.Unix == "" && isHere && (server.Port == 0 || a.First <= server.Port && server.Port <= a.Last)
	})
}

// checkPorts looks at servers without a port, which are reached by the port that clients ask for.
func (r *reader) checkPorts(cfg *Config, path string, l *Listener, p *Pool) {
	for i := range p.Servers {
		a, at := p.Servers[i].Address, indexPath(path+".servers", i)
		if a.Port != 0 || a.Unix != "" || a.Host == "" {
			continue
		}
		_, isIP := a.IP()
		switch {
		case l.Protocol == "ftp":
			r.wrong(at, "%v needs a port: listener %s does not tell which", a, l.Name)
		case p.IsForwarded():
			r.wrong(at, "%v needs a port: mode: %s leads to one port of a server, and mode: proxy alone to the one that clients ask for", a, p.Mode)
		case !isIP:
			r.wrong(at, "%v needs a port: listener %s speaks no protocol that would have one, and only an IP address is reached by the port that clients ask for", a, l.Name)
		case r.leadsRoute(cfg, p.Name):
			r.wrong(at, "%v needs a port: routes lead to the pool too, and listener %s speaks no protocol that would have one", a, l.Name)
		case p.Connections.Warm > 0:
			r.wrong(path+".connections", "connections cannot be kept ready to servers without a port, which are reached by the one that clients ask for")
		default:
			p.SamePort = true
		}
	}
	if h := r.healthOf(cfg, p); p.SamePort && h != nil && h.Port == 0 && h.Type != "exec" && len(h.Command) == 0 {
		r.wrong(path+".health", "needs a port to check: servers without one are reached by the port that clients ask for")
	}
}

// leadsRoute reports whether requests can come to a pool, also where it stands in for another.
func (r *reader) leadsRoute(cfg *Config, pool string) (does bool) {
	r.eachRoutesPool(cfg, func(_, name string) {
		for range len(cfg.Pools) { // fallbacks may go round
			p := cfg.Pool(name)
			if does = does || name == pool; p == nil || does || p.Fallback == "" {
				return
			}
			name = p.Fallback
		}
	})
	return does
}
