package quic

import (
	"errors"
	"io"
	"net/netip"

	quicgo "github.com/quic-go/quic-go"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/http2"
	"github.com/weir-proxy/weir/wire/http3"
	"github.com/weir-proxy/weir/wire/message"
)

// Stream is one exchange on a connection. As an engine.Conn it is the content alone: Read ends with io.EOF where the content does, whether or not trailers
// follow. Owned by its connection's loop once that has been told of it, and used by one exchange until Done.
type Stream struct {
	engine.Substream
	conn *Conn
	raw  *quicgo.Stream

	// The request of a client. Its goroutine writes these, and what has come of the content, before the loop knows of the stream.
	head    []byte
	request message.Request
	fault   *http1.Fault

	// The answers of a server.
	answers []answer
	place   int // among the connection's streams

	piece    []byte // content that has come and was not read
	ended    bool   // no more content comes
	trailers []byte
	credit   chan struct{} // says that the piece has been read; nil: there is no content
	gone     chan struct{} // closed when nobody wants more

	isDismissed bool // gone is closed
	holds       int  // bytes of content that are counted as held

	out      []byte    // frames that were not sent
	spare    []byte    // for the next out
	parts    [1][]byte // what SendFrom reads to
	flying   bool      // a goroutine sends
	sent     int       // bytes
	finished bool      // out has the last
	closed   bool      // the end was sent, or the stream reset
	unwanted bool      // the server has enough of the request: what else there is of it is not sent
	sendErr  error     // why nothing more can be sent to a server, which may answer all the same
	last     bool      // the flush at the end of the turn is ordered

	wasDone bool
	isLate  bool // it was done before all of it was sent
	err     error
	watcher engine.Watcher
	watch   func() bool // ends the watch on the stream's end
}

// Why a stream has ended before its time.
var (
	errReset     = &ResetError{http3.RequestCancelled}
	errMalformed = errors.New("malformed stream")
)

// ResetError is a stream that the peer has reset.
type ResetError struct{ Code http3.Code }

func (e *ResetError) Error() string { return "stream reset: " + e.Code.String() }

func newStream(c *Conn, raw *quicgo.Stream) *Stream {
	s := &Stream{conn: c, raw: raw}
	s.Begin(c.loop, s)
	return s
}

// TakeHead gives the request's head away: r's spans point into head, one of the loop's buffers, which is the caller's. A fault is what the client is to be told
// instead.
func (s *Stream) TakeHead(r *message.Request) (head []byte, n int, fault *http1.Fault) {
	s.SetReadTimeout(engine.DefaultTimeout)
	s.SetWriteTimeout(engine.DefaultTimeout)
	if s.fault != nil {
		return nil, 0, s.fault
	}
	const headRoom = 2 << 10 // for content, so that a little goes on in one piece with the head
	head = s.conn.loop.Buffer(len(s.head) + headRoom)
	n = copy(head, s.head)
	list := append(r.List[:0], s.request.List...)
	*r = s.request
	r.List = list
	r.Buf = head
	s.head = nil
	return head, n, nil
}

// Arrived takes content that is here already, without waiting; ended says that it was the last.
func (s *Stream) Arrived(p []byte) (n int, ended bool) {
	if len(s.piece) > 0 && len(p) > 0 {
		n = s.use(p)
	}
	return n, s.ended && len(s.piece) == 0
}

func (s *Stream) use(p []byte) int {
	n := copy(p, s.piece)
	if s.piece = s.piece[n:]; len(s.piece) == 0 {
		s.piece = nil
		s.hold(0)
		if s.credit != nil && !s.ended {
			select {
			case s.credit <- struct{}{}:
			default:
			}
		}
	}
	return n
}

// hold counts how much of the stream's content waits to be read.
func (s *Stream) hold(n int) {
	if n != s.holds {
		s.conn.loop.Hold(n - s.holds)
		s.conn.held += n - s.holds
		s.holds = n
	}
}

func (s *Stream) deliver(piece []byte) {
	if s.wasDone {
		return
	}
	s.piece = piece
	s.hold(2 * len(piece)) // the next one is on its way behind it
	s.Arrive()
}

// Read reads content.
func (s *Stream) Read(p []byte) (int, error) {
	for {
		switch {
		case len(s.piece) > 0:
			return s.use(p), nil
		case s.ended:
			return 0, io.EOF
		case s.err != nil:
			return 0, s.err
		}
		if err := s.WaitArrival(); err != nil {
			return 0, err
		}
	}
}

// Trailers are the lines that followed the content, once Read has ended.
func (s *Stream) Trailers() []byte { return s.trailers }

// lose ends the stream with an error that its exchange sees at its next look.
func (s *Stream) lose(err error) {
	if s.wasDone || s.closed && s.ended {
		return
	}
	if s.err == nil {
		s.err = err
		var reset *ResetError
		if (errors.As(err, &reset) || err == http2.ErrRefused) && !(s.conn.toServer && s.ended) { // a server that has answered may end the request
			s.conn.spend(http2.GlitchReset)
		}
	}
	s.Wake()
	if s.watcher != nil {
		s.watcher.Changed(engine.Gone)
	}
}

// blame ends the stream because of what the peer has sent on it. A server that answers so gets no further request on the connection.
func (s *Stream) blame(why string) {
	s.refuse(http3.MessageError)
	s.conn.spend(http2.GlitchResetCaused)
	if s.conn.toServer {
		s.lose(&http1.Fault{Status: 502, Reason: why})
		s.conn.Leave(http2.NoError)
		return
	}
	s.lose(errMalformed)
}

// refuse resets both sides.
func (s *Stream) refuse(code http3.Code) {
	s.raw.CancelRead(quicgo.StreamErrorCode(code))
	s.raw.CancelWrite(quicgo.StreamErrorCode(code))
	s.closed = true
	if !s.flying {
		s.release()
	}
	s.dismiss()
	s.sentAll()
}

// sentAll settles that nothing of the stream waits to be sent any more.
func (s *Stream) sentAll() {
	if s.isLate {
		s.isLate = false
		s.conn.late--
		s.conn.closeIfDone()
	}
}

// dismiss tells the goroutine that brings content that nobody wants more.
func (s *Stream) dismiss() {
	if s.gone != nil && !s.isDismissed {
		s.isDismissed = true
		close(s.gone)
	}
}

// Done ends the use of the stream. What has not come to its end is reset with code; a client whose answer is complete is told, by the code for no error, that
// the rest of its request is not wanted (RFC 9114 section 4.1.1).
func (s *Stream) Done(code http2.Code) {
	if s.wasDone {
		return
	}
	s.wasDone = true
	s.hold(0)
	s.Rest()
	if s.watch != nil {
		s.watch()
	}
	switch {
	case s.finished && s.err == nil && s.ended:
		s.conn.account.earn()
		s.dismiss()
	case s.finished && s.err == nil && !s.conn.toServer:
		s.raw.CancelRead(quicgo.StreamErrorCode(http3.NoError))
		s.dismiss()
	default:
		s.refuse(http3.CodeOf(code))
	}
	switch {
	case s.closed:
	case s.unwanted, s.sendErr != nil: // the server has stopped the request: the rest of it is never sent
		s.closed = true
		s.release()
	default:
		s.isLate = true
		s.conn.late++
	}
	s.conn.finished(s)
}

// Watch has w told when the stream is reset, or lost with its connection.
func (s *Stream) Watch(w engine.Watcher) {
	s.watcher = w
	if w != nil && s.err != nil {
		w.Changed(engine.Gone)
	}
}

// IsGone reports whether the peer has reset the stream or the connection has ended.
func (s *Stream) IsGone() bool { return s.err != nil || s.conn.ended }

func (s *Stream) LocalAddr() netip.AddrPort  { return s.conn.local }
func (s *Stream) RemoteAddr() netip.AddrPort { return s.conn.remote }

// Await has h run when content comes, its end, or the read deadline.
func (s *Stream) Await(h engine.Handler) {
	s.AwaitArrival(h, len(s.piece) > 0 || s.ended || s.err != nil)
}

// CloseWrite ends the content.
func (s *Stream) CloseWrite() error { return s.WriteEnd(nil) }

// Close is Done for who knows no codes.
func (s *Stream) Close() error {
	s.Done(http2.Cancel)
	return nil
}

// Reset is Close: a stream that has not come to its end is reset by it.
func (s *Stream) Reset() error { return s.Close() }
