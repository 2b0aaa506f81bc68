package exchange

import (
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/message"
)

// requestState is what is asked, and what was decided about it.
type requestState struct {
	in      []byte // what was read from the client: head, then body
	inLen   int
	headLen int
	head    message.Request
	body    requestBody
	kept    *keptBody
	tee     *tee  // collects the body for a copy of the request; nil: there is none
	twin    *twin // compares the answer; nil: nobody does

	host    []byte // in lower case, without port and final dot; into hostBuf or head
	port    []byte
	path    []byte // in normal form; into pathBuf or head
	forward []byte // path and query that the server gets, when they are not the request's own

	route       *site.Route
	destination *site.Destination // the route's, or one that stands in for it
	division    division
	facts       filter.Facts
	hop         filter.Hop
	isServer    func(host []byte, parents bool) bool // whether one of the servers is meant, among which one was chosen

	lastName   string // of nameForServer
	viewBuf    []byte // the Host that the server gets
	hostBuf    [264]byte
	pathBuf    []byte
	paths      site.PathBuffers
	forwardBuf []byte
}

func (r *requestState) reset(major uint8) {
	r.headLen = 0
	r.head = message.Request{Head: message.Head{Fields: message.Fields{List: r.head.List[:0]}, Major: major, Minor: 1}}
	r.body, r.kept, r.tee, r.twin = requestBody{}, nil, nil, nil
	r.host, r.port, r.path, r.forward = nil, nil, nil, nil
	r.route, r.destination, r.division = nil, nil, division{}
}

func (r *requestState) forget() {
	r.route, r.destination, r.division = nil, nil, division{}
	r.kept, r.tee, r.twin = nil, nil, nil
}

// redirect is where the route sends the client; nil where it does something else.
func (x *Exchange) redirect() *site.Redirect {
	if x.request.route.Moved == nil {
		return x.request.route.Redirect
	}
	return x.request.route.Moved.Of(x.request.path, x.request.head.Query.Of(x.request.head.Buf))
}

// filterRequest does what the route says before a server is involved.
func (x *Exchange) filterRequest() Stage {
	x.stamp(Request)
	r := x.request.route
	if r.Access != nil && !r.Access.Allows(x.client.ip) {
		return x.fail(403, reason.Denied)
	}
	if m := r.Maintenance; m != nil && !m.Allow.Contains(x.client.ip) {
		x.reason = reason.Maintenance
		x.response.local = localAnswer{status: 503, page: m.Page, retryIn: m.RetryIn}
		return Answer
	}
	if r.BodyLimit > 0 && x.announced() > r.BodyLimit {
		return x.refuse(http1.FaultBodyTooLarge, reason.ClientBodyTooLarge)
	}
	if d := x.redirect(); d != nil {
		x.gather()
		x.reason = reason.Redirected
		x.response.local = localAnswer{status: d.Status, location: d}
		return Answer
	}
	if a := r.Respond; a != nil {
		x.reason = reason.Responded
		x.response.local = localAnswer{status: a.Status, respond: a}
		return Answer
	}
	if r.Files != nil && r.Rewrite == nil {
		return x.serveFile()
	}
	if r.Rewrite != nil {
		x.gather()
		var ok bool
		if x.request.forwardBuf, ok = r.Rewrite.Append(x.request.forwardBuf[:0], &x.request.facts); !ok {
			return x.refuse(http1.FaultPath, reason.ClientMalformed)
		}
		x.request.forward = x.request.forwardBuf
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
	if x.request.body.framing != message.FramingNone && (r.Buffer != nil && r.Buffer.Request > 0 && !x.response.streams || x.wantsUpgrade()) {
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
	f := &x.request.facts
	f.Scheme = x.scheme()
	f.Method = x.request.head.MethodName.Of(x.request.head.Buf)
	_, f.Host, f.Port = x.publicHost()
	f.Path = x.urlPath(x.request.path)
	f.Query, f.HasQuery = x.request.head.Query.Of(x.request.head.Buf), x.request.head.HasQuery
	f.Client, f.TLS = x.client.ip, x.session.tls
	f.Groups = f.Groups[:0]
	if x.request.route != nil && x.request.route.UsesGroups {
		f.Groups = x.request.route.Match.Path.AppendGroups(f.Groups, f.Path)
	}
	return f
}

// scheme is the one the client used, as far as weir knows: a trusted proxy in front may have ended TLS, or the operator says that something has.
func (x *Exchange) scheme() string {
	switch {
	case x.client.told.Scheme != "":
		return x.client.told.Scheme
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
	authority, host, port = x.request.head.Authority.Of(x.request.head.Buf), x.request.host, x.request.port
	switch {
	case x.client.told.Authority != nil:
		authority, host, port = x.client.told.Authority, x.client.told.Host, x.client.told.Port
	case p.Host != nil:
		authority, host, port = p.Authority, p.Host, p.Port
	}
	if x.client.told.Port != nil {
		port = x.client.told.Port
	}
	return authority, host, port
}

// toHTTPS sends the client to the same URL over TLS.
func (x *Exchange) toHTTPS() Stage {
	if len(x.request.host) == 0 {
		return x.fail(400, reason.NoSite)
	}
	x.reason = reason.Redirected
	x.response.local = localAnswer{status: 308, secure: true}
	return Answer
}
