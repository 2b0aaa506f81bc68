package config

import "net/netip"

// Settings is how a route treats its requests. The same keys under a site or under `defaults` apply to all routes below;
// the nearest wins: key by key, in `timeouts` and `retries` each on its own, in header edits for each field's name.
type Settings struct {
	// Changes path and query before the request goes to the server.
	Rewrite *Rewrite `yaml:"rewrite" example:"/v2/*"`

	// Changes header fields of the request before it goes to the server.
	RequestHeaders HeaderEdit `yaml:"request_headers" example:"{ set: { X-Env: prod }, remove: [X-Debug] }"`

	// Changes header fields of the response before it goes to the client.
	ResponseHeaders HeaderEdit `yaml:"response_headers" example:"{ remove: [X-Powered-By] }"`

	// Whether clients may learn which servers answer, and what they are.
	Identities Identities `yaml:"identities" example:"show"`

	// What clients get in place of the bare words of a status, by status (`404`), class (`5xx`) or range (`502-504`). The narrowest wins.
	ErrorPages []ErrorPage `yaml:"error_pages,named" example:"{ 404: \"<h1>Not here</h1>\", 5xx: { json: '{\"error\":{status}}', intercept: on } }"`

	// Answers 503 while the servers are worked on, to all but some. `on` has the page of `error_pages`; `off` is service.
	Maintenance *Maintenance `yaml:"maintenance" example:"{ page: back at six, allow: [10.0.0.0/8] }"`

	// The Host that the server gets: `preserve` (the client's), `server` (the server's own address), or a name.
	Host string `yaml:"host" fill:"preserve" example:"server"`

	// How long a server may take.
	Timeouts Timeouts `yaml:"timeouts" example:"{ response: 30m }"`

	// What is tried again on another server.
	Retries Retries `yaml:"retries" example:"0"`

	// Whether clients of gRPC-Web (`application/grpc-web` and `-text`), as browsers are, are served by servers that speak gRPC.
	GRPCWeb string `yaml:"grpc_web" fill:"off" words:"on off" example:"on"`

	// Whether the links that a page has its clients load in advance are told to the next one at once, before the server answers (`103 Early Hints`). To clients of HTTP/2 and HTTP/3.
	EarlyHints string `yaml:"early_hints" fill:"off" words:"on off" example:"on"`

	// Whether servers are told by `Via` that the request came through weir. Some, such as nginx as it comes, do not compress then.
	Via string `yaml:"via" fill:"off" words:"on off" example:"on"`

	// How much these requests matter when the pool cannot serve all: `critical` ones go first, `sheddable` ones are refused first.
	Criticality string `yaml:"criticality" fill:"default" words:"critical default sheddable" example:"critical"`

	// The largest request body; a larger one is answered with 413. `off` is no limit.
	BodyLimit Size `yaml:"body_limit" fill:"64MiB" example:"2GiB"`

	// Networks of clients that are served; all others get 403. Without it: all.
	Allow []netip.Prefix `yaml:"allow,some" example:"[10.0.0.0/8, 192.0.2.7]"`

	// Networks of clients that get 403, whatever `allow` says.
	Deny []netip.Prefix `yaml:"deny" example:"[203.0.113.0/24]"`

	// How much of a response, and of a request's body, is held back before it is sent on.
	Buffer *Buffer `yaml:"buffer" example:"1MiB"`

	// Keeps responses and answers with them.
	Cache Later `yaml:"cache" example:"10m"`

	// Compresses responses.
	Compress Later `yaml:"compress" example:"on"`

	// Bounds the requests of a client.
	RateLimit Later `yaml:"rate_limit" example:"100/s"`

	// Asks who the client is.
	Auth Later `yaml:"auth"`

	// Refuses requests that look like attacks.
	WAF Later `yaml:"waf" example:"on"`

	// Runs the operator's script.
	Script Later `yaml:"script"`

	// Sends a copy of requests to another pool.
	Mirror *Mirror `yaml:"mirror" example:"shadow"`

	// Whether exchanges are in the access log.
	AccessLog string `yaml:"access_log" fill:"on" words:"on off" example:"off"`

	// Keeps a client with its server, otherwise than the pool says; `off` does not.
	Persistence *Persistence `yaml:"persistence" example:"off"`
}

// Defaults are route settings for all sites.
type Defaults struct {
	Settings `yaml:",inline"`

	// How the servers read paths.
	Paths Paths `yaml:"path" example:"{ encoded_slash: refuse }"`
}

// Identities says what clients may learn of the servers. A bare value is `mode`.
type Identities struct {
	// `hide` drops what tells of a server (Server, Via, X-Powered-By, Alt-Svc and such) and writes the public host and path where a server speaks of
	// itself: in Location, Content-Location, Link, Refresh, and the domain and path of Set-Cookie. `show` passes all on.
	Mode string `yaml:"mode,short" fill:"hide" words:"hide show" example:"show"`

	// Hosts by which the servers call themselves besides those of their pool; `*.` in front takes all names below.
	Names []string `yaml:"names" example:"[fe1.contoso.local, \"*.corp.contoso.local\"]"`
}

// Timeouts is how long a server may take. `off` waits for ever.
type Timeouts struct {
	// Until the connection stands, the TLS handshake included.
	Connect Duration `yaml:"connect" fill:"3s" example:"1s"`

	// From the request's last byte to the first of the answer, and between two arrivals of the answer's body. Of a stream it is `stream` that counts.
	Response Duration `yaml:"response" fill:"60s" example:"200s"`

	// From the request's head to the answer's: waiting in a queue, connecting and all tries together. Servers are told what is left of it, in ms, in
	// X-Envoy-Expected-Rq-Timeout-Ms; what a trusted proxy says there shortens it.
	Request Duration `yaml:"request" fill:"off" example:"2s"`

	// The pause between two arrivals of a request's body that goes on to the server as it comes. A body that is taken whole first (`buffer`) must also come at 500 bytes
	// a second or more, after 10 seconds. Without it: what the listener's `timeouts.body` says.
	Body Duration `yaml:"body" example:"5m"`

	// How long a stream may be silent in both directions: a gRPC call, a channel of RPC over HTTP (Outlook), an answer of events (`text/event-stream`,
	// `application/x-ndjson` and such), or any exchange whose answer has begun before the request's body has ended. A gRPC call's answer has this time too, unless its
	// client sets a deadline or `request` does.
	Stream Duration `yaml:"stream" fill:"1d" example:"2h"`

	// How long a connection without a request is kept open. Of a pool or of `defaults`.
	Idle Duration `yaml:"idle" fill:"55s" example:"20s"`

	// How long a tunnel, which is an upgraded connection (WebSocket) or one of a layer 4 listener, may be silent in both directions.
	Tunnel Duration `yaml:"tunnel" fill:"1h" example:"10m"`

	// Silence of a layer 4 tunnel of which one end has finished sending, while the other may still. `off`: as long as `tunnel`.
	HalfClosed Duration `yaml:"half_closed" fill:"off" example:"30s"`

	// How long a tunnel of a layer 4 listener may last at all. Of a pool or of `defaults`.
	Lifetime Duration `yaml:"lifetime" fill:"off" example:"12h"`
}

// Retries is what is tried again on another server: a request that failed before anything of an answer reached the
// client, and that is safe to repeat or was never sent. A bare value is `count`.
type Retries struct {
	// Further tries after the first; `0` is none.
	Count Count `yaml:"count,short" fill:"2" example:"1"`

	// The share of the requests that may be retries, so that failing servers are not loaded more. A route whose share is not its pool's
	// counts its own requests.
	Budget Percent `yaml:"budget" fill:"20%" example:"10%"`
}
