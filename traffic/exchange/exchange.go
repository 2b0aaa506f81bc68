package exchange

import (
	"net/netip"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/attempt"
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/traffic/http1"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/traffic/transport"
	wire "github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/http2"
	"github.com/weir-proxy/weir/wire/message"
)

// Exchange is one request and its answer on the way. Owned by its loop and reused; reset says what a new one begins with.
type Exchange struct {
	session *session
	setup   *Setup // the snapshot it began under, whatever is swapped meanwhile
	driver  *Driver
	at      *perLoop
	client  engine.Conn
	stream  Stream       // the client's side of the messages
	lone    http1.Client // stream, where the client speaks HTTP/1.1
	stage   Stage

	// The request.
	in          []byte // what was read from the client: head, then body
	inLen       int
	headLen     int
	req         message.Request
	ahead       []byte // the next request's first bytes, where they did not fit into in; nil
	aheadLen    int
	host        []byte // in lower case, without port and final dot; into hostBuf or req
	port        []byte
	path        []byte // in normal form; into pathBuf or req
	forward     []byte // path and query that the server gets, when they are not the request's own
	from        netip.Addr
	told        filter.Told // what is known of the client, by a trusted proxy if there is one
	body        requestBody
	kept        *keptBody
	hedge       *hedge // the copy that is on its way to another server; nil: none is
	by          int64  // ms: when the answer must have begun; 0: there is no such time
	tee         *tee   // collects the body for a copy of the request; nil: there is none
	twin        *twin  // compares the answer; nil: nobody does
	route       *site.Route
	destination *site.Destination // the route's, or one that stands in for it
	division    division
	facts       filter.Facts
	hop         filter.Hop
	surplus     func(b []byte)                       // takes what follows the content
	isServer    func(host []byte, parents bool) bool // whether one of the servers is meant, among which one was chosen

	// The attempt.
	server    *pool.Server
	load      *pool.Load
	conn      *transport.Conn
	own       http1.Server // conn's stream, where it speaks HTTP/1.1
	out       []byte       // the head, and what fits of the body, as sent to the server; later what weir itself says to the client
	tried     pool.Tried
	place     attempt.Place
	stay      stay
	ownPort   uint16 // of the connection to the server, for the log
	attempts  int
	stale     int // attempts that met a closing idle connection
	up        upload
	begun     int64 // microseconds: the last of the request was sent, as far as it was before the answer began
	outcome   pool.Outcome
	attempted bool // Begin was called and End was not
	asHTTP1   bool // the request, and not the server, is why it goes by HTTP/1.1 to a server of another version
	isClean   bool // the server connection can be kept

	// The answer.
	reply     message.Piece // what is here of the answer
	holding   *held         // while an answer is held back
	res       message.Response
	rest      responseBody
	status    int
	interims  wire.Interims
	hintedBy  *pool.Server // whose early hints the client has got; nil: nobody's
	local     localAnswer
	streams   bool          // both sides may be silent for as long as Route.Stream
	finished  bool          // the client sends nothing more on its connection
	left      bool          // the client is gone: nothing is done for it any more
	ended     reason.Reason // the operator ended the connection to the server; Done: nobody did
	probe     engine.Alarm
	cancel    transport.Cancel
	searching engine.Wait // for a file
	moved     int64       // ms: when content last came or went, in either direction
	sentAny   bool        // a byte of the answer reached the client
	keepAlive bool        // the client connection goes on after this exchange
	inTunnel  bool        // the connection has become another protocol's
	code      http2.Code  // by which the client's stream is reset if it is not complete
	other     bool        // the client speaks HTTP/2, as its first bytes say
	madeKey   []byte      // with which a server proves that it speaks WebSocket, where the client's version has none
	linger    bool        // what the client still sends is read for a moment before its connection is closed

	reason   reason.Reason
	detail   string
	received int64
	sent     int64
	times    [Done]int64 // microseconds at which stages began

	nextActive, prevActive *Exchange // of the loop's list

	lastName   string // of nameForServer
	viewBuf    []byte // the Host that the server gets
	hostBuf    [264]byte
	pathBuf    []byte
	paths      site.PathBuffers
	forwardBuf []byte
	fields     [2][message.MaxFields]message.Field
}

func newExchange(d *Driver, at *perLoop) *Exchange {
	x := &Exchange{driver: d, at: at}
	x.req.List = x.fields[0][:0]
	x.res.List = x.fields[1][:0]
	x.up.x = x
	x.own.Terms.Announced = x.announcedTrailers
	x.surplus = x.keepPipelined
	x.facts.Field = func(name string) []byte { return x.req.Lookup(name) }
	x.facts.Local = func() netip.AddrPort { return x.client.LocalAddr() }
	x.isServer = func(host []byte, parents bool) bool { return x.destination.Pool.Set().Owns(host, parents) }
	return x
}

// reset makes x ready for a request of s. Nothing of the exchange before stays, which may be another client's: a request can be refused before the stage that would set a field, and answers,
// counters and the log read them all. Until a trusted proxy is read, the client is the peer. What stays are buffers, those with bytes of a pipelined request among them.
func (x *Exchange) reset(s *session) {
	x.session, x.client = s, s.conn
	if x.stream = s.stream; s.stream == nil {
		x.lone.Bind(s.conn, x.surplus)
		x.stream = &x.lone
	}
	x.setup = s.http.setup.Load()
	x.stage = Read
	x.code = http2.InternalError

	// The request.
	x.headLen, x.aheadLen = 0, 0
	x.req = message.Request{Head: message.Head{Fields: message.Fields{List: x.req.List[:0]}, Major: s.major(), Minor: 1}}
	x.forward, x.path, x.host, x.port = nil, nil, nil, nil
	x.from, x.told = s.peer, filter.Told{Client: s.peer}
	x.body = requestBody{}
	x.by, x.hedge = 0, nil
	x.kept, x.tee, x.twin, x.holding = nil, nil, nil, nil
	x.route, x.destination, x.division = nil, nil, division{}

	// The attempt.
	x.server, x.load, x.conn = nil, nil, nil
	x.tried.Reset()
	x.stay, x.ownPort = stay{}, 0
	x.attempts, x.stale, x.begun = 0, 0, 0
	x.up.started = false
	x.outcome, x.attempted, x.isClean, x.asHTTP1 = pool.OK, false, false, false

	// The answer.
	list := x.res.List
	if cap(list) > len(x.fields[1]) { // grown for a response of very many fields
		list = x.fields[1][:]
	}
	x.res = message.Response{Head: message.Head{Fields: message.Fields{List: list[:0]}}}
	x.reply = message.Piece{Buf: x.reply.Buf}
	x.rest = responseBody{}
	x.status, x.interims, x.hintedBy = 0, wire.Interims{}, nil
	x.local = localAnswer{}
	x.ended = reason.Done
	x.finished, x.left, x.cancel = false, false, transport.Cancel{}
	x.moved, x.madeKey = 0, nil
	x.streams, x.sentAny, x.keepAlive, x.linger, x.inTunnel, x.other = false, false, false, false, false, false

	x.reason, x.detail = reason.Done, ""
	x.received, x.sent = int64(x.inLen), 0 // what has come with the request before is this one's
	x.times = [Done]int64{}
}

// forget lets go of all that belongs to a snapshot: an exchange that waits for work would keep one that a reload has replaced, with all its sites.
func (x *Exchange) forget() {
	x.session, x.client, x.stream, x.setup = nil, nil, nil, nil
	x.route, x.destination, x.server, x.load = nil, nil, nil, nil
	x.kept, x.tee, x.twin, x.hedge = nil, nil, nil, nil
	x.own.Forget()
	x.lone.Forget()
	x.tried.Reset()
	x.stay, x.division, x.local, x.ownPort = stay{}, division{}, localAnswer{}, 0
	x.detail = ""
}

// stamp notes that the running stage began now.
func (x *Exchange) stamp(s Stage) { x.times[s] = x.at.loop.Micros() }

// fail ends the exchange with an answer of weir's own.
func (x *Exchange) fail(status int, why reason.Reason) Stage {
	x.reason = why
	x.local = localAnswer{status: status}
	return Answer
}

// refuse ends the exchange because of what the client sent: the answer says so, and nothing more is read from it as a request.
func (x *Exchange) refuse(f *wire.Fault, why reason.Reason) Stage {
	x.reason, x.detail = why, f.Reason
	x.local = localAnswer{status: f.Status, detail: f.Reason}
	x.keepAlive, x.linger = false, true
	return Answer
}

// abandon ends the exchange without an answer: there is nobody to answer, or it is too late.
func (x *Exchange) abandon(why reason.Reason) Stage {
	x.reason = why
	x.keepAlive = false
	return Finish
}
