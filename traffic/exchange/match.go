package exchange

import (
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/filter"
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
		x.keepAlive = false
	}
	x.splitHost()
	x.path = x.req.Path.Of(x.req.Buf)
	if len(x.path) == 0 {
		x.path = rootPath
	} else if !message.IsNormalPath(x.path) {
		var err error
		if x.pathBuf, err = message.AppendNormalPath(x.pathBuf[:0], x.path); err != nil {
			return x.refuse(http1.FaultPath, reason.ClientMalformed)
		}
		x.path = x.pathBuf
	}
	x.from, x.trusted = x.session.peer, false
	if x.setup.Trusted != nil {
		x.from, x.trusted = filter.ClientOf(&x.req.Fields, x.session.peer, x.setup.Trusted)
	}
	if s := x.session.shadow; s != nil {
		x.route, x.destination = s.mirror.Route, s.mirror.Route.Destination
		return Request
	}
	if x.setup.Challenge != nil && x.answersChallenge() {
		return Answer
	}
	if x.setup.RedirectHTTPS != "" {
		return x.toHTTPS()
	}
	q := site.Query{Host: x.host, Path: x.path, Query: x.req.Query.Of(x.req.Buf), Request: &x.req, Client: x.from, TLS: x.session.tls}
	if x.setup.Sites.AsksDestination {
		q.Destination = x.client.LocalAddr()
	}
	s, route := x.setup.Sites.Find(&q)
	if x.setup.Policies != nil && s != nil && !x.setup.Policies.Of(s).Allows(x.session.tls) {
		// RFC 9110 section 15.5.20: the request came by a connection that is no place for it; the client may come by another.
		return x.fail(421, reason.ClientPolicy)
	}
	if route == nil {
		if s == nil {
			return x.fail(404, reason.NoSite)
		}
		return x.fail(404, reason.NoRoute)
	}
	if route.Split != nil {
		route = x.divide(route.Split)
	}
	x.route, x.destination = route, route.Destination
	return Request
}

var rootPath = []byte("/")

// splitHost sets host, in lower case and without final dot, and port.
func (x *Exchange) splitHost() {
	a := x.req.Authority.Of(x.req.Buf)
	end := len(a)
	for i := len(a) - 1; i >= 0 && a[i] != ']'; i-- {
		if a[i] == ':' {
			end = i
			x.port = a[i+1:]
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
				x.hostBuf[i] = message.Lower(c)
			}
			h = x.hostBuf[:len(h)]
			break
		}
	}
	x.host = h
}
