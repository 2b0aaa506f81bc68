package explain

import (
	"slices"
	"strings"

	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/wire/message"
)

// toPool says which pool answers and what a server of it gets.
func (a *asking) toPool() {
	r := a.route
	p := &Pool{Name: r.Destination.Pool.Name, Attempts: 1 + r.Retries, Timeout: r.Response.String(),
		Method: a.out.Method, Target: string(a.forward), Servers: []string{}}
	if c := a.world.cfg.Pool(p.Name); c != nil {
		p.Balance, p.Secure = c.Balance.Method, c.TLS != nil
		if k := c.Balance.Key(); k != nil {
			p.Balance += " on " + k.On.String()
		}
		for i := range c.Servers {
			p.Servers = append(p.Servers, c.Servers[i].Address.String())
		}
		if c.SRV != "" {
			p.Servers = append(p.Servers, "srv:"+c.SRV)
		}
	}
	if r.Request > 0 {
		a.step("timeouts.request", "504 when no answer has begun after %v, with all tries", r.Request)
	}
	if c := a.world.cfg.Pool(p.Name); c != nil && c.Hedge != nil && !c.Hedge.Off && a.req.Method.IsSafe() && a.route.Persistence == nil {
		a.step("hedge", "a copy goes to another server when no answer has come after the %v of all, for at most %v of the requests", c.Hedge.At, c.Hedge.Budget)
	}
	a.underLoad(p.Name)
	p.Fields = a.serverFields(p)
	a.out.Pool = p
}

// underLoad says what becomes of the request when the pool cannot serve all.
func (a *asking) underLoad(name string) {
	if c := a.route.Class; c != pool.Default {
		a.step("criticality", "%v, when servers cannot serve all", c)
	}
	c := a.world.cfg.Pool(name)
	if c == nil {
		return
	}
	if c.Fallback != "" {
		a.step("fallback", "pool %s answers when no server of %s is well", c.Fallback, name)
	}
	if !c.IsLimited() {
		return
	}
	if c.Queue.Off {
		a.step("queue", "off: 503 at once while every server is at its limit")
	} else {
		a.step("queue", "waits at most %v, among at most %d, while every server is at its limit", c.Queue.Wait, c.Queue.Length)
	}
}

// serverFields are the fields that a server gets: Host, the client's own, what weir says of the client, and the route's edits.
func (a *asking) serverFields(p *Pool) []Field {
	list := []Field{{"Host", a.serverHost(p)}}
	edit := a.route.RequestHeaders
	named := message.NamesIn(&a.req.Fields, message.FieldConnection)
	for i := range a.req.List {
		f := &a.req.List[i]
		name := f.Name.Of(a.req.Buf)
		if isManaged(f.ID) || !a.told.IsTrusted && slices.Contains(message.Claims(), f.ID) || f.ID == message.FieldOther && named.Has(name) || edit.Drops(name) {
			continue
		}
		list = append(list, Field{string(name), a.ownURL(f, list[0].Value, p.Secure)})
	}
	list = append(list, a.forwarded()...)
	if !edit.Removes("CDN-Loop") {
		list = append(list, Field{"CDN-Loop", "weir"})
	}
	if a.route.Via && !edit.Removes("Via") {
		list = append(list, Field{"Via", "1.1 weir"})
	}
	if a.req.Trailers && !a.wantsUpgrade() {
		list = append(list, Field{"TE", "trailers"}, Field{"Connection", "TE"})
	}
	if a.wantsUpgrade() {
		list = append(list, Field{"Connection", "Upgrade"}, Field{"Upgrade", string(message.AppendUpgrade(nil, &a.req.Fields))})
	}
	if edit != nil {
		set := fieldsOf(edit, &a.facts)
		a.edits("request_headers", edit, set)
		list = append(list, set...)
	}
	return list
}

// ownURL is a field's value, in which URLs of the site's own are those that the server knows.
func (a *asking) ownURL(f *message.Field, host string, secure bool) string {
	value := f.Value.Of(a.req.Buf)
	public := filter.Public{IsSecure: a.facts.Scheme == "https", Host: a.facts.Host, Port: a.facts.Port}
	view := filter.ServerView{IsSecure: secure, Authority: []byte(host)}
	switch {
	case f.ID == message.FieldIf:
		return string(filter.AppendOwnURLs(nil, value, &public, &view, a.route.Paths))
	case f.ID == message.FieldDestination, a.route.MapsURLs() && (f.ID == message.FieldReferer || f.ID == message.FieldOrigin):
		return string(filter.AppendOwnURL(nil, value, &public, &view, a.route.Paths))
	}
	return string(value)
}

// serverHost is the Host that the server gets; of several servers it cannot be said which.
func (a *asking) serverHost(p *Pool) string {
	switch a.route.Host {
	case site.HostNamed:
		a.step("host", "%s", a.route.HostName)
		return a.route.HostName
	case site.HostServer:
		a.step("host", "the server's own")
		return strings.Join(p.Servers, " or ")
	}
	return string(a.req.Authority.Of(a.req.Buf))
}

// isManaged reports whether the field never passes as it came: it belongs to the connection, or says who the client is.
func isManaged(id message.FieldID) bool {
	switch id {
	case message.FieldHost, message.FieldConnection, message.FieldTransferEncoding, message.FieldKeepAlive,
		message.FieldProxyConnection, message.FieldTE, message.FieldTrailer, message.FieldUpgrade, message.FieldHTTP2Settings,
		message.FieldProxyAuthorization, message.FieldExpect, message.FieldForwarded, message.FieldXForwardedFor,
		message.FieldXForwardedProto, message.FieldXForwardedHost, message.FieldXForwardedPort, message.FieldXForwardedPrefix,
		message.FieldXForwardedServer, message.FieldXForwardedSSL, message.FieldXRealIP:
		return true
	}
	return false
}

func (a *asking) wantsUpgrade() bool {
	return a.req.Upgrade && (a.req.Framing == message.FramingNone || a.req.Framing == message.FramingLength && a.req.Length <= 64<<10) &&
		message.OffersUpgrade(&a.req.Fields)
}

// forwarded says who the client is; what a trusted proxy said is kept and continued.
func (a *asking) forwarded() []Field {
	h := filter.Hop{Fields: &a.req.Fields, Peer: a.peer, PeerText: []byte(a.peer.WithZone("").String()), Source: a.listener.source,
		Told: &a.told, Edit: a.route.RequestHeaders, Scheme: a.facts.Scheme, Authority: a.req.Authority.Of(a.req.Buf), HostStays: a.route.Host == site.HostPreserve}
	var list []Field
	for line := range strings.Lines(string(a.listener.forwarded.Append(nil, &h))) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		list = append(list, Field{name, value})
	}
	return list
}
