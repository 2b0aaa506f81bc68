package explain

import (
	"net/netip"
	"strings"

	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/message"
)

// asking is a request on its way through the stages. Their order is package exchange's.
type asking struct {
	world    *World
	listener *listener
	peer     netip.Addr
	to       netip.AddrPort // where the client wanted to go
	from     netip.Addr     // the client: peer, or whom a trusted proxy names
	told     filter.Told
	secure   bool
	req      message.Request
	facts    filter.Facts
	host     []byte // that was asked for; the one of facts is what the client has asked for, as far as is known
	raw      []byte // the path as it was received
	route    *site.Route
	forward  []byte // path and query that the server gets
	out      *Answer
}

// Explain says what becomes of a request. An error is a request that cannot be asked at all, such as one without a host.
func (w *World) Explain(r *Request) (*Answer, error) {
	if isLayer4(r.URL) {
		return w.layer4(r)
	}
	t, err := parseURL(r.URL)
	if err != nil {
		return nil, err
	}
	if connection := w.passed(&t, r); connection != nil {
		return w.layer4(connection)
	}
	raw, err := r.raw(&t)
	if err != nil {
		return nil, err
	}
	a := &asking{world: w, peer: r.Client.Unmap(), to: r.To, out: &Answer{Method: r.Method, Path: t.path, Host: t.host, Scheme: t.scheme,
		Filters: []Step{}, ResponseSet: []Field{}, ResponseRemove: []string{}, Why: []Step{}}}
	if !r.Client.IsValid() {
		a.peer = DefaultClient()
	}
	a.out.Client = a.peer.String()
	a.listen(&t)
	if a.listener != nil && a.parse(raw) && a.normal() && a.match() {
		a.apply()
	}
	return a.out, nil
}

// listen finds the listener.
func (a *asking) listen(t *target) {
	l, why := a.world.listenerOf(t, a.to)
	if l == nil {
		a.out.Why = append(a.out.Why, Step{What: "listener", Why: "there is no listener for HTTP"})
		a.out.Local = &Local{Reason: "no listener"}
		return
	}
	a.listener = l
	a.secure = l.isSecure || t.scheme == "https"
	a.out.Listener = l.name
	a.out.Why = append(a.out.Why, Step{What: "listener", Name: l.name, Taken: true, Why: why})
}

// parse reads the request the way it would come.
func (a *asking) parse(raw []byte) bool {
	n, fault := http1.ParseRequest(raw, &a.req, &a.listener.limits)
	if fault != nil {
		return a.fail(fault.Status, reason.ClientMalformed, fault.Reason)
	}
	if n == 0 {
		return a.fail(http1.FaultHeadSize.Status, reason.ClientMalformed, http1.FaultHeadSize.Reason)
	}
	return true
}

// normal brings host and path into the form by which they are routed.
func (a *asking) normal() bool {
	f := &a.facts
	f.Method = a.req.MethodName.Of(a.req.Buf)
	f.Host, f.Port = splitHost(a.req.Authority.Of(a.req.Buf))
	f.Query, f.HasQuery = a.req.Query.Of(a.req.Buf), a.req.HasQuery
	f.Field = a.req.Lookup
	if a.raw = a.req.Path.Of(a.req.Buf); len(a.raw) == 0 {
		a.raw = []byte("/")
	}
	path, err := message.AppendNormalPath(nil, a.raw)
	if err != nil {
		return a.fail(http1.FaultPath.Status, reason.ClientMalformed, http1.FaultPath.Reason)
	}
	f.Path = path
	a.told = a.listener.source.Read(&a.req.Fields, a.peer, a.listener.trusted)
	a.from = a.told.Client
	f.Client, f.Scheme = a.from, a.scheme()
	a.host = f.Host
	a.publicHost()
	o := a.out
	o.Method, o.Scheme, o.Host, o.Path = string(f.Method), f.Scheme, string(a.host), string(f.Path)
	o.Query, o.Client = string(f.Query), a.from.String()
	return true
}

func splitHost(authority []byte) (host, port []byte) {
	host = []byte(strings.ToLower(string(authority)))
	if i := strings.LastIndexByte(string(host), ':'); i > strings.LastIndexByte(string(host), ']') {
		host, port = host[:i], host[i+1:]
	}
	if n := len(host); n > 1 && host[n-1] == '.' {
		host = host[:n-1]
	}
	return host, port
}

func (a *asking) scheme() string {
	switch {
	case a.told.Scheme != "":
		return a.told.Scheme
	case a.listener.public.Scheme != "":
		return a.listener.public.Scheme
	case a.secure:
		return "https"
	}
	return "http"
}

// publicHost makes host and port those that the client has asked for.
func (a *asking) publicHost() {
	f, p := &a.facts, &a.listener.public
	switch {
	case a.told.Authority != nil:
		f.Host, f.Port = a.told.Host, a.told.Port
	case p.Host != nil:
		f.Host, f.Port = p.Host, p.Port
	}
	if a.told.Port != nil {
		f.Port = a.told.Port
	}
}

// match finds site and route.
func (a *asking) match() bool {
	f := &a.facts
	s := a.world.sites.FindSite(a.host)
	if s == nil {
		a.out.Why = append(a.out.Why, Step{What: "site", Why: "no site takes the host " + string(a.host)})
		return a.fail(404, reason.NoSite, "")
	}
	if port := a.listener.redirectHTTPS; port != "" && f.Scheme != "https" {
		return a.toHTTPS(port)
	}
	q := &site.Query{Host: a.host, Query: f.Query, Request: &a.req, Client: a.from, Destination: a.to, InClear: f.Scheme != "https"}
	if !a.meetsNeeds(s, q) {
		return a.fail(421, reason.ClientPolicy, "")
	}
	_, normal, fault := s.Route(q, a.raw, &site.PathBuffers{})
	f.Path, a.out.Path = normal, string(normal)
	if fault != nil {
		a.out.Site = s.Pattern
		a.out.Why = append(a.out.Why, Step{What: "request", Why: explainFault(fault)})
		return a.fail(fault.Status, reason.ClientMalformed, fault.Reason)
	}
	e := a.world.sites.Explain(q)
	a.note("site", e.Sites)
	a.note("route", e.Routes)
	a.out.Site = e.Site.Pattern
	if e.Route == nil {
		return a.fail(404, reason.NoRoute, "")
	}
	a.route = e.Route
	a.out.Route, a.out.Place = e.Route.Pattern, e.Route.Place
	return true
}

// meetsNeeds reports whether the connection is good enough for the site. One with TLS is taken to be: it was made for the host, or the client was refused in the handshake.
func (a *asking) meetsNeeds(s *site.Site, q *site.Query) bool {
	need := a.listener.needs.Of(s)
	if need == "" {
		return true
	}
	if a.listener.isSecure {
		a.out.Why = append(a.out.Why, Step{What: "tls", Taken: true, Why: need})
		return true
	}
	a.out.Site = s.Pattern
	a.note("site", a.world.sites.Explain(q).Sites)
	a.out.Why = append(a.out.Why, Step{What: "tls", Taken: true, Why: need + ", which a connection in clear text does not have"})
	return false
}

// explainFault says why a path is refused.
func explainFault(fault *http1.Fault) string {
	switch fault {
	case http1.FaultPathAmbiguous:
		return "servers read the path in different ways, which lead to different routes; the site's key path can say which is right"
	case http1.FaultPathRefused:
		return "the path holds what the site's key path refuses"
	case http1.FaultAlias:
		return "a field's name is one that servers cannot tell apart from a field that the site's routes go by"
	case http1.FaultTrace:
		return "TRACE is refused unless the route names it under match.methods"
	}
	return "the path is malformed: a broken encoding, NUL, or dot segments that leave the root"
}

func (a *asking) note(what string, candidates []site.Candidate) {
	for _, c := range candidates {
		a.out.Why = append(a.out.Why, Step{what, c.Name, c.IsTaken, c.Why, !c.MatchesPath})
	}
}

func (a *asking) toHTTPS(port string) bool {
	f := &a.facts
	if len(f.Host) == 0 {
		return a.fail(400, reason.NoSite, "")
	}
	to := "https://" + string(f.Host)
	if port != "443" {
		to += ":" + port
	}
	to += string(a.raw)
	if f.HasQuery {
		to += "?" + string(f.Query)
	}
	a.out.Why = append(a.out.Why, Step{What: "listener", Name: a.listener.name, Why: "sends everybody to https"})
	a.out.Local = &Local{Status: 308, Reason: reason.Redirected.String(), Location: to}
	return false
}

// fail ends the way with an answer of weir's own.
func (a *asking) fail(status int, why reason.Reason, detail string) bool {
	a.out.Local = &Local{Status: status, Reason: why.String(), Detail: detail}
	return false
}
