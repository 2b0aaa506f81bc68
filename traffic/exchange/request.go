package exchange

import (
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/message"
)

// redirect is where the route sends the client; nil where it does something else.
func (x *Exchange) redirect() *site.Redirect {
	if x.route.Moved == nil {
		return x.route.Redirect
	}
	return x.route.Moved.Of(x.path, x.req.Query.Of(x.req.Buf))
}

// request does what the route says before a server is involved.
func (x *Exchange) request() Stage {
	x.stamp(Request)
	r := x.route
	if r.Access != nil && !r.Access.Allows(x.from) {
		return x.fail(403, reason.Denied)
	}
	if m := r.Maintenance; m != nil && !m.Allow.Contains(x.from) {
		x.reason = reason.Maintenance
		x.local = localAnswer{status: 503, page: m.Page, retryIn: m.RetryIn}
		return Answer
	}
	if r.BodyLimit > 0 && x.announced() > r.BodyLimit {
		return x.refuse(http1.FaultBodyTooLarge, reason.ClientBodyTooLarge)
	}
	if d := x.redirect(); d != nil {
		x.gather()
		x.reason = reason.Redirected
		x.local = localAnswer{status: d.Status, location: d}
		return Answer
	}
	if a := r.Respond; a != nil {
		x.reason = reason.Responded
		x.local = localAnswer{status: a.Status, respond: a}
		return Answer
	}
	if r.Files != nil && r.Rewrite == nil {
		return x.serveFile()
	}
	if r.Rewrite != nil {
		x.gather()
		var ok bool
		if x.forwardBuf, ok = r.Rewrite.Append(x.forwardBuf[:0], &x.facts); !ok {
			return x.refuse(http1.FaultPath, reason.ClientMalformed)
		}
		x.forward = x.forwardBuf
		if r.Files != nil {
			return x.serveFile()
		}
	}
	if r.GRPCWeb && !x.bridgeGRPCWeb() {
		return x.refuse(http1.FaultBase64, reason.ClientBodyMalformed)
	}
	if r.Request > 0 || x.isGRPC() {
		x.startDeadline()
	}
	if x.hasComeBack() {
		return x.fail(508, reason.Loop)
	}
	x.beginStream()
	if x.body.framing != message.FramingNone && (r.Buffer != nil && r.Buffer.Request > 0 && !x.streams || x.wantsUpgrade()) {
		if next := x.keepBody(); next != Pick {
			return next
		}
	}
	if r.Mirror != nil {
		x.mirror(r.Mirror)
	}
	if r.Hints != nil {
		x.hint()
	}
	return Pick
}

// gather collects the facts that templates may ask for. Only routes that have templates pay for it.
func (x *Exchange) gather() *filter.Facts {
	f := &x.facts
	f.Scheme = x.scheme()
	f.Method = x.req.MethodName.Of(x.req.Buf)
	_, f.Host, f.Port = x.publicHost()
	f.Path = x.urlPath(x.path)
	f.Query, f.HasQuery = x.req.Query.Of(x.req.Buf), x.req.HasQuery
	f.Client, f.TLS = x.from, x.session.tls
	f.Groups = f.Groups[:0]
	if x.route != nil && x.route.UsesGroups {
		f.Groups = x.route.Match.Path.AppendGroups(f.Groups, f.Path)
	}
	return f
}

// scheme is the one the client used, as far as weir knows: a trusted proxy in front may have ended TLS, or the operator says that something has.
func (x *Exchange) scheme() string {
	switch {
	case x.told.Scheme != "":
		return x.told.Scheme
	case x.setup.Public.Scheme != "":
		return x.setup.Public.Scheme
	case x.session.secure:
		return "https"
	}
	return "http"
}

// publicHost is the host that the client has asked for and its port, as far as weir knows.
func (x *Exchange) publicHost() (authority, host, port []byte) {
	p := &x.setup.Public
	authority, host, port = x.req.Authority.Of(x.req.Buf), x.host, x.port
	switch {
	case x.told.Authority != nil:
		authority, host, port = x.told.Authority, x.told.Host, x.told.Port
	case p.Host != nil:
		authority, host, port = p.Authority, p.Host, p.Port
	}
	if x.told.Port != nil {
		port = x.told.Port
	}
	return authority, host, port
}

// toHTTPS sends the client to the same URL over TLS.
func (x *Exchange) toHTTPS() Stage {
	if len(x.host) == 0 {
		return x.fail(400, reason.NoSite)
	}
	x.reason = reason.Redirected
	x.local = localAnswer{status: 308, secure: true}
	return Answer
}
