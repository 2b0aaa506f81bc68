package exchange

import (
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/message"
)

// match brings host and path into their one form and finds the route.
func (x *Exchange) match() Stage {
	x.stamp(Match)
	if x.session.shadow == nil {
		x.at.Stats.Requests++
	}
	x.session.requests++
	if m := x.setup.MaxRequests; m > 0 && x.session.requests >= m || x.setup.Closing || x.isLast() {
		x.client.keepAlive = false
	}
	if x.setup.Trusted != nil { // before anything is refused: else the trusted proxy would be blamed for its client
		x.client.told = x.setup.Source.Read(&x.request.head.Fields, x.session.peer, x.setup.Trusted)
		x.client.ip = x.client.told.Client
	}
	x.splitHost()
	raw := x.rawPath()
	if x.request.path = raw; !message.IsNormalPath(raw) {
		var err error
		if x.request.pathBuf, err = message.AppendNormalPath(x.request.pathBuf[:0], raw); err != nil {
			return x.refuse(http1.FaultPath, reason.ClientMalformed)
		}
		x.request.path = x.request.pathBuf
	}
	if s := x.session.shadow; s != nil {
		if of := x.setup.Sites.FindSite(x.request.host); of != nil {
			if normal, fault := of.Normal(raw, &x.request.paths); fault == nil {
				x.request.path = normal
			}
		}
		x.request.route, x.request.destination = s.mirror.Route, s.mirror.Route.Destination
		return Request
	}
	if x.setup.Challenge != nil && x.answersChallenge() {
		return Answer
	}
	s := x.setup.Sites.FindSite(x.request.host)
	if s == nil {
		return x.fail(404, reason.NoSite)
	}
	if x.setup.RedirectHTTPS != "" && x.scheme() != "https" { // also to a site that clear text is not good enough for: it is where the site can be had
		return x.toHTTPS()
	}
	if x.setup.Policies != nil && !x.setup.Policies.Of(s).Allows(x.session.tls) {
		// RFC 9110 section 15.5.20: the request came by a connection that is no place for it; the client may come by another.
		return x.fail(421, reason.ClientPolicy)
	}
	q := site.Query{Host: x.request.host, Query: x.request.head.Query.Of(x.request.head.Buf), Request: &x.request.head, Client: x.client.ip, TLS: x.session.tls}
	if x.setup.Sites.AsksInClear {
		q.InClear = x.scheme() != "https"
	}
	if x.setup.Sites.AsksDestination {
		q.Destination = x.client.conn.LocalAddr()
	}
	route, normal, fault := s.Route(&q, raw, &x.request.paths)
	x.request.path = normal
	if fault != nil {
		return x.refuse(fault, reason.ClientMalformed)
	}
	if route == nil {
		return x.fail(404, reason.NoRoute)
	}
	if route.Split != nil {
		route = x.divide(route.Split)
	}
	x.request.route, x.request.destination = route, route.Destination
	return Request
}

var rootPath = []byte("/")

// rawPath is the path as it was received.
func (x *Exchange) rawPath() []byte {
	if raw := x.request.head.Path.Of(x.request.head.Buf); len(raw) > 0 {
		return raw
	}
	// RFC 9112 section 3.2.1: "If the target URI's path component is empty, the client MUST send "/" as the path".
	return rootPath
}

// urlPath is the path as URLs have it: that of "OPTIONS *" is the root.
// RFC 9112 section 3.3: "If the request-target is in authority-form or asterisk-form, the target URI's combined path and query component is empty."
func (x *Exchange) urlPath(path []byte) []byte {
	if len(path) > 0 && path[0] == '*' {
		return rootPath
	}
	return path
}

// splitHost sets host, in lower case and without final dot, and port.
func (x *Exchange) splitHost() {
	a := x.request.head.Authority.Of(x.request.head.Buf)
	end := len(a)
	for i := len(a) - 1; i >= 0 && a[i] != ']'; i-- {
		if a[i] == ':' {
			end = i
			x.request.port = a[i+1:]
			break
		}
	}
	h := a[:end]
	if n := len(h); n > 1 && h[n-1] == '.' {
		h = h[:n-1]
	}
	for _, c := range h {
		if c != message.Lower(c) {
			for i, c := range h {
				x.request.hostBuf[i] = message.Lower(c)
			}
			h = x.request.hostBuf[:len(h)]
			break
		}
	}
	x.request.host = h
}
