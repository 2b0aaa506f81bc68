package exchange

import (
	"os"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/http2"
	"github.com/weir-proxy/weir/wire/message"
)

// Stream is the client's side of an exchange, whatever the version of HTTP. As an engine.Conn it is the content alone, which ends by io.EOF; heads have the form of HTTP/1.1. What in a head frames
// the message, or belongs to the connection, is left out by the versions that have other ways to say it. Codes are those of HTTP/2; another version has the same by other numbers.
type Stream interface {
	engine.Conn
	// Around is how many bytes were read besides content since it was asked last, as far as they are counted: framing, trailers, and what follows the content.
	Around() int
	// Ended reports whether all of the content has been read: the next Read would return io.EOF.
	Ended() bool
	// Trailers are the lines that followed the content, once that has ended.
	Trailers() []byte
	// Announced is how large content at least is of which no head tells the length; 0: nothing is known.
	Announced() int64
	// Owed is how much content must be read before another exchange can follow; -1: that is not known.
	Owed() int64
	// BareIn is the connection whose next n bytes are content alone, for the kernel to move it, or nil and 0. Skip says how many bytes were taken from there.
	BareIn() (c engine.Conn, n int64)
	Skip(n int64)
	// TakesTrailers reports whether the client wants to see trailers.
	TakesTrailers() bool
	// Frame chooses how the answer's content is framed, before its head is written; open says that the head cannot tell how long it is. line is what the head must say then. lasts is false where the
	// content can only end with the connection.
	Frame(open bool) (line string, lasts bool)
	// WriteHead sends an interim answer's head, up to the empty line or the end.
	WriteHead(head []byte) error
	// Send sends the answer's head, content, and the end, as far as the piece has them, with trailer lines if there are any. It may write into the room around the content. It reports how many bytes
	// were sent.
	Send(p message.Piece, trailers []byte) (int, error)
	// SendFile sends n bytes of content from a file, and SendFrom content that has arrived at c, most bytes at most. They report how much; 0 without an error says to read and Send it.
	SendFile(w *engine.Workers, f *os.File, offset, n int64) (int64, error)
	SendFrom(c engine.Conn, most int) (int, error)
	// BareOut is the connection on which content may be sent past Send, as by the kernel; nil: there is none.
	BareOut() engine.Conn
	// Done ends the use of the stream; what is incomplete is reset with code.
	Done(code http2.Code)
}

// OneOfMany is a stream of a connection that carries many exchanges side by side.
type OneOfMany interface {
	Stream
	// TakeHead gives away the request's head, into which r's spans point: the first n bytes of a buffer of the loop's. A fault is what the client is told instead.
	TakeHead(r *message.Request) (head []byte, n int, fault *http1.Fault)
	// Arrived takes content that is here already, without waiting; ended says that none will follow.
	Arrived(p []byte) (n int, ended bool)
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
func (s *Streams) Open(stream OneOfMany) {
	p := s.session.at
	o := p.openStream()
	from := &s.session
	o.of = s
	o.session = session{http: from.http, at: p, conn: stream, stream: stream, streams: s, peer: from.peer, peerText: from.peerText, peerLen: from.peerLen,
		secure: from.secure, tls: from.tls, told: from.told, counted: from.counted}
	s.link(o)
	s.exchanges++
	from.requests++
	if setup := from.http.setup.Load(); setup.Closing || setup.Without[s.major] || setup.MaxRequests > 0 && from.requests >= setup.MaxRequests || from.isLast() {
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
		x.client.ip = o.session.peer
		x.readStream()
		x.abandon(reason.ClientGone)
		x.finish()
	} else {
		x.run()
	}
	o.session.drop()
	o.end(x.client.code)
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
	head, n, fault := x.session.stream.TakeHead(&x.request.head)
	if fault != nil {
		return x.refuse(fault, reason.ClientMalformed)
	}
	x.request.in, x.request.inLen, x.request.headLen = head, n, n
	x.received += int64(n)
	x.client.keepAlive = true
	x.request.body.start(&x.request.head)
	if x.request.body.framing != message.FramingNone {
		x.takeArrived()
	}
	return Match
}

// takeArrived takes what of the content is here already, for it to go on with the head. Of content that is here as a whole the length is known.
func (x *Exchange) takeArrived() {
	n, ended := x.session.stream.Arrived(x.request.in[x.request.headLen:])
	x.request.inLen += n
	x.received += int64(n)
	b := &x.request.body
	b.have, b.got = n, int64(n)
	if !b.isOpen() {
		b.whole = b.got == b.length
		return
	}
	if b.whole = ended; !ended {
		return
	}
	if b.trailers = x.client.stream.Trailers(); len(b.trailers) == 0 {
		b.framing, b.length = message.FramingLength, b.got
	}
	if b.length == 0 && b.framing == message.FramingLength {
		b.framing = message.FramingNone
	}
}

// sendPiece sends a part of the answer: head, content and end, as far as p has them.
func (x *Exchange) sendPiece(p message.Piece) bool {
	x.takeClient()
	x.client.stream.SetWriteTimeout(x.setup.Send)
	var trailers []byte
	if p.Ended {
		trailers = x.responseTrailers()
	}
	n, err := x.client.stream.Send(p, trailers)
	x.sent += int64(n)
	return x.tookIt(err)
}

// wholeToClient sends an answer of weir's own, head and body.
func (x *Exchange) wholeToClient(b []byte) bool {
	x.client.stream.Frame(false)
	x.response.body.trailers = nil
	return x.sendPiece(message.Piece{Buf: b, Head: endOfHead(b), End: len(b), Ended: true})
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

// interimToClient sends a 1xx answer; false when the client is gone.
func (x *Exchange) interimToClient(b []byte) bool {
	x.client.stream.SetWriteTimeout(x.setup.Send)
	return x.client.stream.WriteHead(b) == nil
}
