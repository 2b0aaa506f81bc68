package stream

import (
	"errors"
	"fmt"
	"io"
	"net/netip"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/http2"
	"github.com/weir-proxy/weir/wire/message"
)

// Stream is one exchange on a connection. As an engine.Conn it is the content alone: Read ends with io.EOF where the content does, whether or not trailers
// follow. Owned by its connection's loop, and used by one exchange until Done.
type Stream struct {
	engine.Substream
	conn  *Conn
	id    uint32
	state http2.State

	send, recv http2.Window
	window     int   // what recv is opened to
	read       int   // bytes that were read since measured
	measured   int64 // ms
	unread     int   // bytes read for which recv has not been opened again

	// The request of a client.
	head      []byte // as HTTP/1.1 has it; a loop's buffer
	headLen   int
	headBytes int // that the connection counts among its heads until the stream is done
	request   message.Request
	fault     *http1.Fault

	// The answers of a server.
	method   message.Method
	answers  []answer
	interims http1.Interims
	hasHead  bool

	length   int64 // of the content as it was announced; -1: was not
	got      int64
	queue    []piece // content that has come and was not read
	queued   int
	into     []byte // a reader that waits: content is put here at once
	intoLen  int
	ended    bool // no more content comes
	trailers []byte

	pending     []byte // content of a writer that waits for room
	source      source // or where it comes from
	served      int64  // bytes sent while others waited too
	frameAt     int    // the last frame of this stream in the connection's out
	frameTurn   uint32
	frameIs     bool
	priority    http2.Priority
	hasPriority bool

	tunnel   bool // its request is an extended CONNECT that was not refused: nothing but content comes by it
	wasReset bool // by weir
	wasDone  bool
	lingers  int64 // ms: when the rest of the request is refused, after a complete response; 0: it is not waited for
	err      error
	watcher  engine.Watcher
}

// piece is a part of the content, buf[from:to].
type piece struct {
	buf      []byte
	from, to int
}

// Why a stream has ended before its time.
var (
	// ErrHTTP11 says that the server wants the request by HTTP/1.1.
	ErrHTTP11 = errors.New("http/1.1 required")
	errPeer   = errors.New("malformed stream")
	// errSilent is the end of a connection whose peer has been silent, or took nothing, for too long. It must differ from engine.ErrTimeout, which says that a deadline of the stream
	// itself has passed: an exchange may set another one then and read again. Reading a stream that has ended returns at once, so that it would do so for ever, and stop the loop.
	errSilent = fmt.Errorf("the connection has ended: %w", engine.ErrTimeout)
	// errClosed is the end of a connection whose peer has closed it. It must differ from io.EOF, which says that the stream's own content is whole.
	errClosed = fmt.Errorf("the connection was closed: %w", io.ErrUnexpectedEOF)
)

// ResetError is a stream that the peer has reset.
type ResetError struct{ Code http2.Code }

func (e *ResetError) Error() string { return "stream reset: " + e.Code.String() }

// newStream makes a stream, of those that are done with if there is one.
func (c *Conn) newStream(id uint32) *Stream {
	s := c.spareStream()
	queue, answers, trailers, list := s.queue[:0], s.answers[:0], s.trailers[:0], s.request.List[:0]
	*s = Stream{}
	s.queue, s.answers, s.trailers, s.request.List = queue, answers, trailers, list
	s.Begin(c.loop, s)
	s.conn, s.id = c, id
	s.send, s.recv, s.window = http2.NewWindow(c.theirs.InitialWindow), http2.NewWindow(windowStart), windowStart
	s.read, s.measured = 0, c.loop.Now()
	s.length, s.priority = -1, http2.DefaultPriority
	s.SetReadTimeout(engine.DefaultTimeout)
	s.SetWriteTimeout(engine.DefaultTimeout)
	return s
}

// sparesKept bounds the streams that a connection keeps to be used again, for as long as it has work.
const sparesKept = 128

func (c *Conn) spareStream() *Stream {
	if n := len(c.spares); n > 0 {
		s := c.spares[n-1]
		c.spares = c.spares[:n-1]
		return s
	}
	return &Stream{}
}

// headRoom is left behind a request's head for content, so that a small one goes on in one piece with it.
const headRoom = 2 << 10

// takeRequest keeps the head that the layout has made.
func (s *Stream) takeRequest(fault *http1.Fault, ended bool) {
	s.fault = fault
	if fault != nil {
		return
	}
	b := s.conn.layout.Buf
	size := len(b) + headRoom
	if len(b) <= engine.Buffer64K && size > engine.Buffer64K {
		size = len(b) // a buffer of four times the size is too much for a little room
	}
	s.head = s.conn.loop.Buffer(size)
	s.headBytes = len(b)
	s.conn.heads += len(b)
	s.headLen = copy(s.head, b)
	r := &s.request
	s.tunnel = r.Upgrade
	if r.Has(message.FieldContentLength) {
		s.length = r.Length
	}
	if v := r.Lookup("priority"); v != nil {
		s.priority, s.hasPriority = http2.ParsePriority(v), true
	}
}

// TakeHead gives the request's head away: r's spans point into head, which is the caller's, one of the loop's buffers. A fault is what the client is to be told
// instead.
func (s *Stream) TakeHead(r *message.Request) (head []byte, n int, fault *http1.Fault) {
	if s.fault != nil {
		return nil, 0, s.fault
	}
	list := append(r.List[:0], s.request.List...)
	*r = s.request
	r.List = list
	r.Buf = s.head
	head = s.head
	s.head = nil
	return head, s.headLen, nil
}

// lose ends the stream with an error that its exchange sees at its next look.
func (s *Stream) lose(err error) {
	if s.err == nil {
		s.err = err
	}
	s.Wake()
	if s.watcher != nil {
		s.watcher.Changed(engine.Gone)
	}
}

// loseBy is lose by a RST_STREAM.
func (s *Stream) loseBy(code http2.Code) {
	switch {
	case s.conn.toServer && code == http2.RefusedStream:
		s.lose(http2.ErrRefused)
	case s.conn.toServer && code == http2.HTTP11Required:
		s.lose(ErrHTTP11)
	case s.conn.toServer && code == http2.NoError && s.ended:
		// Section 8.1: a server "MAY request that the client abort transmission of a request without error by sending a RST_STREAM with an error
		// code of NO_ERROR after sending a complete response".
		s.pending = nil
		s.Wake()
	default:
		s.lose(&ResetError{code})
	}
}

// deliver takes content. It goes to who waits for it, or into the queue.
func (s *Stream) deliver(b []byte) {
	if s.into != nil && s.queued == 0 {
		n := copy(s.into[s.intoLen:], b)
		s.intoLen += n
		b = b[n:]
		s.Arrive()
	}
	for len(b) > 0 {
		last := len(s.queue) - 1
		if last < 0 || s.queue[last].to == len(s.queue[last].buf) {
			s.queue = append(s.queue, piece{buf: s.conn.loop.Buffer(min(max(len(b), engine.Buffer4K), engine.Buffer64K))})
			last++
		}
		p := &s.queue[last]
		n := copy(p.buf[p.to:], b)
		p.to += n
		s.queued += n
		b = b[n:]
	}
	if s.queued > 0 {
		s.Arrive()
	}
}

// endReceive: no more content comes.
func (s *Stream) endReceive() {
	s.ended = true
	if s.state.On(http2.RecvEnd) == nil && s.state == http2.StateClosed {
		s.conn.forget(s)
	}
	s.Arrive()
}

// Arrived takes content that is here already, without waiting; ended says that it was the last.
func (s *Stream) Arrived(p []byte) (n int, ended bool) {
	for s.queued > 0 && n < len(p) {
		n += s.take(p[n:])
	}
	return n, s.ended && s.queued == 0
}

func (s *Stream) take(p []byte) int {
	q := &s.queue[0]
	n := copy(p, q.buf[q.from:q.to])
	q.from += n
	if q.from == q.to {
		s.conn.loop.Release(q.buf)
		s.queue = append(s.queue[:0], s.queue[1:]...)
	}
	s.queued -= n
	s.wasRead(n)
	return n
}

// Read reads content.
func (s *Stream) Read(p []byte) (int, error) {
	for {
		switch {
		case s.queued > 0:
			return s.take(p), nil
		case s.ended:
			return 0, io.EOF
		case s.err != nil:
			return 0, s.err
		}
		s.into, s.intoLen = p, 0
		err := s.WaitArrival()
		n := s.intoLen
		s.into, s.intoLen = nil, 0
		if n > 0 {
			s.wasRead(n)
			return n, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// Trailers are the lines that followed the content, once Read has ended.
func (s *Stream) Trailers() []byte { return s.trailers }

// Watch has w told when the stream is reset, or lost with its connection.
func (s *Stream) Watch(w engine.Watcher) {
	s.watcher = w
	if w != nil && s.err != nil {
		w.Changed(engine.Gone)
	}
}

// IsGone reports whether the peer has reset the stream or the connection has ended.
func (s *Stream) IsGone() bool { return s.err != nil || s.conn.ended }

func (s *Stream) LocalAddr() netip.AddrPort  { return s.conn.raw.LocalAddr() }
func (s *Stream) RemoteAddr() netip.AddrPort { return s.conn.raw.RemoteAddr() }

// Await has h run when content comes, its end, or the read deadline.
func (s *Stream) Await(h engine.Handler) {
	s.AwaitArrival(h, s.queued > 0 || s.ended || s.err != nil)
}

// CloseWrite ends the content.
func (s *Stream) CloseWrite() error { return s.WriteEnd(nil) }

// Close is Done for who knows no codes. Done may still be called.
func (s *Stream) Close() error {
	s.finish(http2.Cancel)
	return nil
}

// Reset is Close: a stream that has not come to its end is reset by it.
func (s *Stream) Reset() error { return s.Close() }

// Done ends the use of the stream, which the caller has no more from here on. What has not come to its end is reset with code; a client whose answer is complete is told, by the code for
// no error, that the rest of its request is not wanted.
func (s *Stream) Done(code http2.Code) {
	// One that was closed before may be known to others still.
	if c := s.conn; s.finish(code) && s.lingers == 0 && len(c.spares) < sparesKept && !c.ended {
		c.spares = append(c.spares, s)
	}
}

// finish reports whether it was the first to be called.
func (s *Stream) finish(code http2.Code) bool {
	if s.wasDone {
		return false
	}
	s.wasDone = true
	switch {
	case s.state == http2.StateClosed && s.err == nil:
		s.conn.budget.Earn()
	case s.state == http2.StateHalfClosedLocal && !s.conn.toServer:
		s.linger()
	default:
		s.reset(code)
	}
	s.conn.running--
	s.free()
	s.conn.streamEnded()
	return true
}

// reset sends RST_STREAM.
func (s *Stream) reset(code http2.Code) {
	c := s.conn
	switch s.state {
	case http2.StateClosed:
		return
	case http2.StateIdle:
		// Nothing was sent on it, so there is nothing to reset. RFC 9113 section 5.1.1: "The first use of a new stream identifier implicitly closes all streams in
		// the "idle" state that might have been initiated by that peer with a lower-valued stream identifier."
		s.state = http2.StateClosed
		c.forget(s)
		return
	}
	s.state.On(http2.SendReset)
	s.wasReset = true
	if !c.closing {
		c.room(13)
		c.out = http2.AppendRST(c.out, s.id, code)
		c.flushLater()
	}
	c.forget(s)
}

// free gives the stream's buffers back.
func (s *Stream) free() {
	s.conn.loop.Release(s.head)
	s.head = nil
	s.conn.heads -= s.headBytes
	s.headBytes = 0
	for i := range s.queue {
		s.conn.loop.Release(s.queue[i].buf)
	}
	s.conn.held -= s.queued
	s.queue, s.queued = s.queue[:0], 0
	for i := range s.answers {
		s.conn.loop.Release(s.answers[i].head)
	}
	s.answers = s.answers[:0]
	s.watcher = nil
	s.Rest()
	s.conn.unwait(s)
}
