package exchange

import (
	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/http2"
	"github.com/weir-proxy/weir/wire/message"
)

// Stream is the client's side of an exchange where its connection carries many side by side. As an engine.Conn it is the content alone, which ends by io.EOF;
// heads have the form of HTTP/1.1, without what there frames the message or belongs to the connection: that much of them is left out by whoever encodes
// them. Codes are those of HTTP/2; another version has the same by other numbers.
type Stream interface {
	engine.Conn
	// TakeHead gives away the request's head, into which r's spans point: the first n bytes of a buffer of the loop's. A fault is what the client is told instead.
	TakeHead(r *message.Request) (head []byte, n int, fault *http1.Fault)
	// Arrived takes content that is here already, without waiting; ended says that none will follow.
	Arrived(p []byte) (n int, ended bool)
	// Trailers are the lines that followed the content, once that has ended.
	Trailers() []byte
	// WriteHead sends an interim answer's head or the final one's, up to an empty line or the end. It does not wait.
	WriteHead(head []byte) error
	// WriteEnd ends the answer, with trailer lines if there are any. It does not wait.
	WriteEnd(trailers []byte) error
	// Done ends the use of the stream; what is incomplete is reset with code.
	Done(code http2.Code)
}

// Connection is what Streams has to know of the connection of its streams.
type Connection interface {
	// Leave lets what is under way end, takes nothing further, and closes.
	Leave(code http2.Code)
	// Cut ends everything at once.
	Cut()
	// Held is how many bytes the connection itself holds, besides what its exchanges do.
	Held() int
}

// Streams is a client's connection that carries many exchanges side by side. Owned by its loop.
type Streams struct {
	session   session
	via       Connection
	major     uint8       // the version of HTTP
	open      *openStream // the exchanges under way
	exchanges int
	tunnels   int
	unlogged  unlogged
}

// NewStreams begins the exchanges of a connection of HTTP/major: c and handshake tell who the client is, via carries the streams.
func (h *HTTP) NewStreams(major uint8, c engine.Conn, handshake *filter.Handshake, via Connection) *Streams {
	p := h.driver.loops[c.Loop().Index]
	s := &Streams{via: via, major: major}
	h.begin(&s.session, p, c, handshake, h.setup.Load())
	s.session.streams = s
	p.Stats.Accepted++
	return s
}

// Open begins the exchange of a stream whose request's head is complete.
func (s *Streams) Open(stream Stream) {
	p := s.session.at
	o := p.openStream()
	from := &s.session
	o.of = s
	o.session = session{http: from.http, at: p, conn: stream, stream: stream, streams: s, peer: from.peer, peerText: from.peerText, peerLen: from.peerLen,
		secure: from.secure, tls: from.tls, told: from.told, counted: from.counted}
	s.link(o)
	s.exchanges++
	from.requests++
	if setup := from.http.setup.Load(); setup.Closing || setup.MaxRequests > 0 && from.requests >= setup.MaxRequests || from.isLast() {
		s.via.Leave(http2.NoError)
	}
	p.loop.GoInTurn(o)
}

// End is called when the connection has ended.
func (s *Streams) End() {
	s.logRest()
	s.session.end()
}

// blame counts, and logs, the end of a connection that its client is to blame for.
func (s *Streams) blame(why reason.Reason, detail string) {
	p := s.session.at
	x := p.borrow()
	x.reset(&s.session)
	x.reason, x.detail = why, detail
	x.stamp(Read)
	x.count()
	if x.isLogged() {
		x.log()
	}
	p.giveBack(x)
}

// major is the version of HTTP that the client speaks, as far as its connection says.
func (s *session) major() uint8 {
	if s.streams != nil {
		return s.streams.major
	}
	return 1
}

// muchFrom is how many exchanges side by side are much for one connection.
const muchFrom = 8

// hasMuch reports whether the client's connection has many exchanges under way: where something runs short, others go first.
func (s *session) hasMuch() bool {
	return s.shadow != nil || s.streams != nil && s.streams.exchanges > muchFrom
}

// isLast reports whether the connection is to take no further request.
func (s *session) isLast() bool { return s.at.driver.draining.Load() != 0 }

// openStream is the session of one stream.
type openStream struct {
	session    session
	of         *Streams
	next, prev *openStream // of the connection's list
}

// link and unlink keep the list of a connection's exchanges.
func (s *Streams) link(o *openStream) {
	if o.prev, o.next = nil, s.open; o.next != nil {
		o.next.prev = o
	}
	s.open = o
}

func (s *Streams) unlink(o *openStream) {
	if o.next != nil {
		o.next.prev = o.prev
	}
	if o.prev != nil {
		o.prev.next = o.next
	} else {
		s.open = o.next
	}
	o.next, o.prev = nil, nil
}

const openStreamsKept = 1024

func (p *perLoop) openStream() *openStream {
	if n := len(p.openStreams); n > 0 {
		o := p.openStreams[n-1]
		p.openStreams = p.openStreams[:n-1]
		return o
	}
	return &openStream{}
}

// IsGivenUp reports whether the client has reset the stream, or is gone.
func (o *openStream) IsGivenUp() bool { return o.session.stream.IsGone() }

// Run is the exchange. Of a client that has left before it begins there is only the record.
func (o *openStream) Run() {
	x := o.session.at.take()
	o.session.x = x
	x.reset(&o.session)
	if o.IsGivenUp() {
		x.from = o.session.peer
		x.readStream()
		x.abandon(reason.ClientGone)
		x.finish()
	} else {
		x.run()
	}
	o.session.drop()
	o.end(x.code)
}

// Panicked ends an exchange that panicked.
func (o *openStream) Panicked() {
	if x := o.session.x; x != nil {
		o.session.x = nil
		x.settlePanic()
	}
	o.session.stream.Reset() // an upload may still have its hands on it: nobody is to use it again
	o.end(http2.InternalError)
}

func (o *openStream) end(code http2.Code) {
	s, p := o.of, o.session.at
	o.session.closePrivate()
	s.session.counted = o.session.counted
	if s.exchanges--; s.exchanges == 0 {
		s.session.since = p.loop.Now()
	}
	s.unlink(o)
	o.session.stream.Done(code)
	*o = openStream{}
	if len(p.openStreams) < openStreamsKept {
		p.openStreams = append(p.openStreams, o)
	}
}

// readStream is read where the head is complete before the exchange begins.
func (x *Exchange) readStream() Stage {
	x.stamp(Read)
	head, n, fault := x.stream.TakeHead(&x.req)
	if fault != nil {
		return x.refuse(fault, reason.ClientMalformed)
	}
	x.in, x.inLen, x.headLen = head, n, n
	x.received += int64(n)
	x.keepAlive = true
	x.body.start(&x.req)
	if x.body.framing != message.FramingNone {
		x.takeArrived()
	}
	return Match
}

// takeArrived takes what of the content is here already, for it to go on with the head. Of content that is here as a whole the length is known.
func (x *Exchange) takeArrived() {
	n, ended := x.stream.Arrived(x.in[x.headLen:])
	x.inLen += n
	x.received += int64(n)
	b := &x.body
	if b.framing != message.FramingUntilClose {
		return
	}
	b.chunks.Total = int64(n)
	b.ended = ended
	if !ended {
		return
	}
	if b.chunks.Trailers = x.stream.Trailers(); len(b.chunks.Trailers) > 0 {
		return
	}
	b.framing, b.length = message.FramingLength, int64(n)
	if n == 0 {
		b.framing = message.FramingNone
	}
}

// headToClient sends a head.
func (x *Exchange) headToClient(head []byte) bool {
	x.takeClient()
	x.sent += int64(len(head))
	return x.tookIt(x.stream.WriteHead(head))
}

// beginAnswer sends the answer's head with what is here of its body.
func (x *Exchange) beginAnswer() bool {
	b := x.reply.Bytes()
	if x.stream == nil {
		return x.toClient(b)
	}
	return x.headToClient(b[:x.rest.head]) && (len(b) == x.rest.head || x.toClient(b[x.rest.head:]))
}

// wholeToClient sends an answer of weir's own, head and body.
func (x *Exchange) wholeToClient(b []byte) bool {
	if x.stream == nil {
		return x.toClient(b)
	}
	end := endOfHead(b)
	return x.headToClient(b[:end]) && (end == len(b) || x.toClient(b[end:])) && x.endToClient(nil)
}

// endOfHead is where the body begins in a message of weir's own.
func endOfHead(b []byte) int {
	for i := 0; i+3 < len(b); i++ {
		if b[i] == '\r' && b[i+2] == '\r' {
			return i + 4
		}
	}
	return len(b)
}

// endToClient ends the answer.
func (x *Exchange) endToClient(trailers []byte) bool { return x.tookIt(x.stream.WriteEnd(trailers)) }

// interimToClient sends a 1xx answer; false when the client is gone.
func (x *Exchange) interimToClient(b []byte) bool {
	if x.stream != nil {
		return x.stream.WriteHead(b) == nil
	}
	x.client.SetWriteTimeout(x.setup.Send)
	_, err := x.client.Write(b)
	return err == nil
}
