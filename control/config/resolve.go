package config

import (
	"fmt"
	"reflect"
	"strings"
)

// resolve completes what was decoded: listeners and pools that are implied, and what routes inherit. Its order
// matters: pools are read as written by routes, and filled after.
func (r *reader) resolve(cfg *Config) {
	r.resolveListeners(cfg)
	cfg.indexPools()
	for i := range cfg.Sites {
		r.resolveSite(cfg, &cfg.Sites[i])
	}
	for i := range cfg.Pools {
		cfg.Pools[i].Health = r.healthOf(cfg, &cfg.Pools[i])
		r.resolvePool(cfg, &cfg.Pools[i])
	}
	dropOff(reflect.ValueOf(cfg).Elem())
}

// resolveListeners adds the listeners that go without saying and hands the top-level TLS settings down.
func (r *reader) resolveListeners(cfg *Config) {
	if r.root.value("listeners") == nil {
		cfg.Listeners = r.impliedListeners(cfg)
		if len(cfg.Listeners) == 2 && cfg.TLS.ACME == nil {
			cfg.TLS.ACME = withDefaults[ACME]()
		}
	}
	for i := range cfg.Listeners {
		if tls := cfg.Listeners[i].TLS; tls != nil {
			tls.Certificates = append(tls.Certificates, cfg.TLS.Certificates...)
			inherit(reflect.ValueOf(tls).Elem(), reflect.ValueOf(cfg.TLS))
			tls.ACME, tls.ECH = nil, nil // are for all alike
			r.shapes.applyFills(reflect.ValueOf(tls).Elem())
		}
	}
	r.shapes.applyFills(reflect.ValueOf(&cfg.TLS).Elem())
}

func (r *reader) impliedListeners(cfg *Config) []Listener {
	http, https := *withDefaults[Listener](), *withDefaults[Listener]()
	http.Name, http.Address = "http", []Address{{First: 80, Last: 80}}
	https.Name, https.Address = "https", []Address{{First: 443, Last: 443}}
	if !r.isWritten("tls") && !hasNames(cfg) {
		return []Listener{http}
	}
	http.Redirect, https.TLS = "https", &TLS{}
	return []Listener{http, https}
}

// hasNames reports whether a site has a name that a certificate can be for.
func hasNames(cfg *Config) bool {
	for i := range cfg.Sites {
		if name := cfg.Sites[i].Name; !strings.Contains(strings.TrimPrefix(name, "*."), "*") {
			return true
		}
	}
	return false
}

// resolveSite gives each route of a site what it inherits.
func (r *reader) resolveSite(cfg *Config, site *Site) {
	site.Name = strings.ToLower(site.Name)
	if site.Paths.Servers == "" {
		inherit(reflect.ValueOf(&site.Paths).Elem(), reflect.ValueOf(cfg.Defaults.Paths))
	}
	r.moved(cfg, site)
	r.addCatchAll(site)
	for i := range site.Routes {
		route := &site.Routes[i]
		if !route.Action.isSet() {
			route.Action = site.Action
		}
		r.namePool(cfg, route)
		inheritSettings(&route.Settings, &site.Settings)
		r.divide(cfg, route)
		r.complete(cfg, route)
	}
}

// divide makes of a route that is split one for each of its pools.
func (r *reader) divide(cfg *Config, route *Route) {
	if route.Split == nil {
		return
	}
	for _, p := range route.Split.Pools {
		arm := *route
		arm.Arms, arm.Action = nil, Action{Pool: p.Pool} // with those before it, each would hold twice as much as the last
		r.complete(cfg, &arm)
		route.Arms = append(route.Arms, arm)
	}
}

// complete gives a route what it inherits from its pool and from all routes' defaults.
func (r *reader) complete(cfg *Config, route *Route) {
	if pool := cfg.Pool(route.Pool); pool != nil {
		inherit(reflect.ValueOf(&route.Timeouts).Elem(), reflect.ValueOf(pool.Timeouts))
		inherit(reflect.ValueOf(&route.Retries).Elem(), reflect.ValueOf(pool.Retries))
		if route.Persistence == nil {
			route.Persistence = pool.Persistence
		}
		if route.Buffer == nil {
			route.Buffer = pool.Buffer
		}
	}
	inheritSettings(&route.Settings, &cfg.Defaults.Settings)
	r.shapes.applyFills(reflect.ValueOf(&route.Settings).Elem())
	r.shadow(cfg, route)
}

// shadow gives a route that is mirrored another one for the copies: they go out as the requests do, and what is the pool's is their own pool's.
func (r *reader) shadow(cfg *Config, route *Route) {
	m := route.Mirror
	if m == nil || m.Off {
		return
	}
	s := &Route{Path: route.Path, Key: joinPath(route.Key, "mirror"), Match: route.Match, Action: Action{Pool: m.Pool}}
	s.Rewrite, s.RequestHeaders, s.Host = route.Rewrite, route.RequestHeaders, route.Host
	s.Criticality, s.Retries.Count, s.BodyLimit = "sheddable", off, off
	s.Mirror, s.Buffer, s.Persistence = &Mirror{Off: true}, &Buffer{Off: true}, &Persistence{Off: true}
	r.complete(cfg, s)
	route.Shadow = s
}

// addCatchAll turns an action of the site itself into a route for all paths that have none.
func (r *reader) addCatchAll(site *Site) {
	if !site.Action.isSet() {
		return
	}
	for _, route := range site.Routes {
		if route.Path == "/*" && route.Match.IsEmpty() {
			return
		}
	}
	route := newIn[Route](r.shapes)
	route.Path, route.Key = "/*", joinPath("sites", site.Name)
	site.Routes = append(site.Routes, route)
}

func (a *Action) isSet() bool {
	return a.Pool != "" || len(a.Servers) > 0 || a.Redirect != nil || a.Respond != nil || a.Files != nil || a.Split != nil
}

// namePool turns servers written in a route into a pool named after them, so that equal lists are one pool and keep
// their state over a reload.
func (r *reader) namePool(cfg *Config, route *Route) {
	if len(route.Servers) == 0 {
		return
	}
	name := serversName(route.Servers)
	if cfg.Pool(name) == nil {
		pool := newIn[Pool](r.shapes)
		pool.Name, pool.Servers = name, route.Servers
		cfg.addPool(pool)
		r.place[joinPath("pools", name)] = r.place[route.Key]
	}
	route.Pool, route.Servers = name, nil
}

func serversName(servers []Server) string {
	var names []string
	for _, s := range servers {
		name := s.Address.String()
		if s.Address.Scheme != "" {
			name = s.Address.Scheme + "://" + name
		}
		if s.Weight != 1 {
			name += fmt.Sprintf("*%d", s.Weight)
		}
		names = append(names, name)
	}
	return strings.Join(names, ",")
}

// inheritSettings sets what is unset in near to what far says.
func inheritSettings(near, far *Settings) {
	request, response, pages := near.RequestHeaders, near.ResponseHeaders, near.ErrorPages
	inherit(reflect.ValueOf(near).Elem(), reflect.ValueOf(*far))
	near.RequestHeaders = inheritEdits(request, far.RequestHeaders)
	near.ResponseHeaders = inheritEdits(response, far.ResponseHeaders)
	near.ErrorPages = inheritPages(pages, far.ErrorPages)
}

// inherit sets the keys that are unset in near to those of far; objects held by value key by key.
func inherit(near, far reflect.Value) {
	for i := range near.NumField() {
		n, f := near.Field(i), far.Field(i)
		switch {
		case n.Kind() == reflect.Struct && !isTextual(n.Type()):
			inherit(n, f)
		case n.IsZero():
			n.Set(f)
		}
	}
}

// inheritEdits adds the edits of far whose names near does not mention.
func inheritEdits(near, far HeaderEdit) HeaderEdit {
	mentioned := map[string]bool{}
	for _, h := range append(append([]Header{}, near.Set...), near.Add...) {
		mentioned[strings.ToLower(h.Name)] = true
	}
	for _, name := range near.Remove {
		mentioned[strings.ToLower(name)] = true
	}
	keep := func(list []Header, more []Header) []Header {
		list = list[:len(list):len(list)]
		for _, h := range more {
			if !mentioned[strings.ToLower(h.Name)] {
				list = append(list, h)
			}
		}
		return list
	}
	edit := HeaderEdit{Set: keep(near.Set, far.Set), Add: keep(near.Add, far.Add), Remove: near.Remove[:len(near.Remove):len(near.Remove)]}
	for _, name := range far.Remove {
		if !mentioned[strings.ToLower(name)] {
			edit.Remove = append(edit.Remove, name)
		}
	}
	return edit
}

// resolvePool completes a pool.
func (r *reader) resolvePool(cfg *Config, p *Pool) {
	p.resolveTLS()
	port := uint16(80)
	if p.TLS != nil {
		port = 443
	}
	for i := range p.Servers {
		if a := &p.Servers[i].Address; a.Port == 0 && a.Unix == "" && !p.SamePort {
			a.Port = port
		}
	}
	p.resolveHealth()
	p.Balance.resolve()
	inherit(reflect.ValueOf(&p.Timeouts).Elem(), reflect.ValueOf(cfg.Defaults.Timeouts))
	inherit(reflect.ValueOf(&p.Retries).Elem(), reflect.ValueOf(cfg.Defaults.Retries))
	r.shapes.applyFills(reflect.ValueOf(p).Elem())
}

// resolveTLS turns TLS on where a server's URL or port, or the protocol, says so.
func (p *Pool) resolveTLS() {
	if p.TLS != nil {
		if p.TLS.Off {
			p.TLS = nil
		}
		return
	}
	if p.Protocol == "http3" {
		p.TLS = withDefaults[PoolTLS]()
	}
	for _, s := range p.Servers {
		if s.Address.Scheme == "https" || s.Address.Port == 443 && s.Address.Scheme == "" {
			p.TLS = withDefaults[PoolTLS]()
		}
	}
}

func (p *Pool) resolveHealth() {
	h := p.Health
	if h == nil {
		return
	}
	switch {
	case h.Type == "" && len(h.Script) > 0:
		h.Type = "script"
	case h.Type == "" && len(h.Command) > 0:
		h.Type = "exec"
	case h.Type == "" && h.Path == "":
		h.Type = "tcp"
	case h.Type == "" && p.TLS != nil:
		h.Type = "https"
	case h.Type == "":
		h.Type = "http"
	}
	if h.Path == "" && (h.Type == "http" || h.Type == "https") {
		h.Path = "/"
	}
}

func (b *Balance) resolve() {
	switch {
	case b.Hash != nil:
		b.Method = "hash"
	case b.Maglev != nil:
		b.Method = "maglev"
	case b.Method == "hash":
		b.Hash = withDefaults[Hash]()
	case b.Method == "maglev":
		b.Maglev = withDefaults[Hash]()
	}
}
