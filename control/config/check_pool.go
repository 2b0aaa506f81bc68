package config

import (
	"slices"
	"strings"
)

func (r *reader) checkPool(p *Pool) {
	path := joinPath("pools", p.Name)
	if strings.Trim(p.Name, hostNameBytes+".") != "" || p.Name == "" {
		r.wrongKey(path, "a pool's name has letters, digits, dots, hyphens and underscores")
	}
	r.checkServers(path, p)
	if wait := joinPath(path, "queue") + ".wait"; p.Queue.Wait == off {
		r.wrong(wait, "a wait needs an end; write queue: off to hold nothing back")
	}
	r.checkBalance(joinPath(path, "balance"), &p.Balance)
	if p.Health != nil {
		r.checkHealth(joinPath(path, "health"), p.Health)
	}
	if p.Connections.Warm > 0 && (!p.Connections.Share || p.ProxyProtocol != "") {
		r.wrong(joinPath(path, "connections")+".warm", "connections that each client has for itself cannot be kept ready for all")
	}
	if (p.Protocol == "http2" || p.Protocol == "h2c") && p.ProxyProtocol != "" {
		r.wrong(joinPath(path, "proxy_protocol"), "clients share connections of HTTP/2, and a header in front can name one of them only")
	}
	if p.Protocol == "http3" {
		r.checkHTTP3(path, p)
	}
	if p.Hedge != nil && !p.Hedge.Off && p.ProxyProtocol != "" {
		r.wrong(joinPath(path, "hedge"), "with proxy_protocol each client has connections of its own, and copies would need more of them")
	}
	r.checkPersistence(joinPath(path, "persistence"), p.Persistence)
	r.checkBuffer(joinPath(path, "buffer"), p.Buffer)
	r.checkSources(joinPath(path, "source"), p.Source)
	if p.FromClient() {
		r.checkFromClient(path, p)
	}
}

// checkHTTP3 reports what does not go with QUIC, which runs over UDP, encrypts, and has connections that clients share.
func (r *reader) checkHTTP3(path string, p *Pool) {
	at := joinPath(path, "protocol")
	if p.TLS != nil && p.TLS.Off {
		r.wrong(at, "HTTP/3 is spoken over TLS alone, and the pool says tls: off")
	}
	if p.ProxyProtocol != "" {
		r.wrong(joinPath(path, "proxy_protocol"), "clients share connections of HTTP/3, and a header in front can name one of them only")
	}
	if !p.Connections.Share {
		r.wrong(joinPath(path, "connections")+".share", "clients share connections of HTTP/3; with share: off leave protocol out")
	}
	if p.Health != nil && p.Health.Reuse {
		r.wrong(joinPath(path, "health")+".reuse", "a check over HTTP/3 has a connection of its own")
	}
	for i := range p.Servers {
		switch a := p.Servers[i].Address; {
		case a.Unix != "":
			r.wrong(indexPath(joinPath(path, "servers"), i), "HTTP/3 is spoken over UDP, which a Unix socket has not")
		case a.Scheme == "http":
			r.wrong(indexPath(joinPath(path, "servers"), i), "says http:// and HTTP/3 is spoken over TLS alone; leave the scheme out")
		}
	}
}

// checkFromClient reports what a pool cannot do whose connections belong to clients.
func (r *reader) checkFromClient(path string, p *Pool) {
	if p.Connections.Warm > 0 {
		r.wrong(joinPath(path, "connections")+".warm", "connections that come from a client's address cannot be made before it is there")
	}
	if p.Protocol != "auto" && p.Protocol != "http1" {
		r.wrong(joinPath(path, "protocol"), "many clients' requests on one connection cannot come from the clients' addresses; leave protocol out, or source: client")
	}
	if p.Hedge != nil && !p.Hedge.Off {
		r.wrong(joinPath(path, "hedge"), "a copy of a request cannot come from the client's address as well; leave hedge out, or source: client")
	}
}

func (r *reader) checkSources(path string, sources []string) {
	for i, text := range sources {
		if _, err := parseIP(text); err != nil && text != "client" {
			r.wrong(indexPath(path, i), "want an IP address of this machine, or client, not %q", text)
		}
	}
	if len(sources) > 1 && slices.Contains(sources, "client") {
		r.wrong(path, "the client's address and others contradict each other")
	}
}

// checkFallbacks reports pools that stand in for others and do not exist, or in the end for themselves.
func (r *reader) checkFallbacks(cfg *Config) {
	comesBack := comingBack(cfg)
	for i := range cfg.Pools {
		p := &cfg.Pools[i]
		path := joinPath(joinPath("pools", p.Name), "fallback")
		if p.Fallback == "" {
			continue
		}
		r.checkPoolName(cfg, path, p.Fallback)
		if comesBack[p] {
			r.wrong(path, "comes back to %q: a pool cannot stand in for itself", p.Name)
		}
	}
}

// comingBack are the pools that stand in for themselves in the end. Each is visited once or twice.
func comingBack(cfg *Config) map[*Pool]bool {
	walks, comesBack := map[*Pool]int{}, map[*Pool]bool{}
	for i := range cfg.Pools {
		p := &cfg.Pools[i]
		for ; p != nil && walks[p] == 0; p = cfg.Pool(p.Fallback) {
			walks[p] = i + 1
		}
		for ; p != nil && walks[p] == i+1 && !comesBack[p]; p = cfg.Pool(p.Fallback) {
			comesBack[p] = true
		}
	}
	return comesBack
}

func (r *reader) checkServers(path string, p *Pool) {
	if len(p.Servers) == 0 && p.SRV == "" && !p.IsOriginal() && !r.failedBelow(joinPath(path, "servers")) && r.isMapping("pools", p.Name) {
		r.wrongKey(path, "needs servers or srv")
	}
	if p.SRV != "" && !isHostName(p.SRV) {
		r.wrong(joinPath(path, "srv"), "%q is no name of SRV records; write it like _http._tcp.example.com", p.SRV)
	}
	first, schemes := map[string]int{}, map[string]bool{}
	for i := range p.Servers {
		at, a := indexPath(joinPath(path, "servers"), i), p.Servers[i].Address
		if other, twice := first[a.String()]; twice && a != (ServerAddress{}) {
			r.wrong(at, "%v stands at %v already; to give it a larger share, give it a weight", a, r.at(indexPath(joinPath(path, "servers"), other)))
		}
		first[a.String()] = i
		schemes[a.Scheme] = true
		switch {
		case a.Scheme == "http" && p.TLS != nil && !p.TLS.Off:
			r.wrong(at, "says http:// and the pool says tls")
		case a.Scheme == "https" && p.TLS != nil && p.TLS.Off:
			r.wrong(at, "says https:// and the pool says tls: off")
		}
	}
	if schemes["http"] && schemes["https"] {
		r.wrong(path, "has servers with http:// and with https://; a pool speaks one of them")
	}
}

func (r *reader) checkBalance(path string, b *Balance) {
	if b.Hash != nil && b.Maglev != nil {
		r.wrong(path, "hash and maglev contradict each other")
	}
	if b.Hash != nil && b.Hash.Load != 0 && b.Hash.Load < 1 {
		r.wrong(joinPath(path, "hash")+".load", "want 0 or at least 1, because a server with its fair share is at 1")
	}
	if b.Maglev != nil && r.isWritten(joinPath(path, "maglev")+".load") {
		r.wrong(joinPath(path, "maglev")+".load", "only hash bounds the load")
	}
}

func (r *reader) checkHealth(path string, h *Health) {
	if h.Off {
		return
	}
	asksHTTP := h.Type == "http" || h.Type == "https" || h.Type == "" && len(h.Script) == 0 && len(h.Command) == 0
	switch {
	case h.Path != "" && !strings.HasPrefix(h.Path, "/"):
		r.wrong(joinPath(path, "path"), "want a path that starts with \"/\", not %q", h.Path)
	case hasControl(h.Path) || strings.Contains(h.Path, " "):
		r.wrong(joinPath(path, "path"), "%q holds bytes that a path may not have", h.Path)
	case h.Path != "" && !asksHTTP:
		r.wrong(path, "a check by %s has no path", h.how())
	case r.isWritten(joinPath(path, "expect")) && (!asksHTTP || h.Path == "" && h.Type == "" && h.Use == ""):
		r.wrong(joinPath(path, "expect"), "only a check of type http or https gets an answer; give it a path")
	}
	if hasControl(h.Host) {
		r.wrong(joinPath(path, "host"), "%q is no host", h.Host)
	}
	if h.Every == off {
		r.wrong(joinPath(path, "every"), "a check needs a pace; leave health away to check nothing")
	}
	if h.Timeout == off {
		r.wrong(joinPath(path, "timeout"), "a check needs an end")
	}
	if h.Reuse && !asksHTTP {
		r.wrong(joinPath(path, "reuse"), "only a check of type http or https can use a connection again")
	}
	r.checkHealthSteps(path, h)
}

// how is what a check is done by, for people.
func (h *Health) how() string {
	switch {
	case h.Type != "":
		return "type " + h.Type
	case len(h.Script) > 0:
		return "script"
	}
	return "command"
}

func (r *reader) checkHealthSteps(path string, h *Health) {
	isScript, isExec := len(h.Script) > 0, len(h.Command) > 0
	switch {
	case isScript && isExec:
		r.wrong(joinPath(path, "command"), "a script and a command contradict each other")
	case (h.Type == "script" || h.Type == "udp") && !isScript && h.Use == "":
		r.wrong(joinPath(path, "type"), "a check of type %s needs a script", h.Type)
	case h.Type == "exec" && !isExec && h.Use == "":
		r.wrong(joinPath(path, "type"), "a check of type exec needs a command")
	case isScript && h.Type != "" && h.Type != "script" && h.Type != "udp":
		r.wrong(joinPath(path, "script"), "a check of type %s has no script", h.Type)
	case isExec && h.Type != "" && h.Type != "exec":
		r.wrong(joinPath(path, "command"), "a check of type %s has no command", h.Type)
	case isExec && h.Command[0] == "":
		r.wrong(joinPath(path, "command"), "the program has no name")
	}
	for i, s := range h.Script {
		at := indexPath(joinPath(path, "script"), i)
		if (s.Send == "") == (s.Expect == "") {
			r.wrong(at, "want one of send and expect")
		}
		if expression, isExpression := strings.CutPrefix(s.Expect, "~"); isExpression {
			if err := checkRegexp(expression); err != nil {
				r.wrong(at, "%v", err)
			}
		}
	}
}
