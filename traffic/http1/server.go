package http1

import (
	"os"
	"time"

	"github.com/weir-proxy/weir/engine"
	wire "github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/http2"
	"github.com/weir-proxy/weir/wire/message"
)

// Server is the use of a connection to a server of HTTP/1.1 by one exchange. As an engine.Conn it is the content alone. It is bound to one connection after another.
type Server struct {
	engine.Conn       // the bare connection
	Terms       Terms // of the next request
	method      message.Method
	head        []byte // of the request, while it has not been sent
	out         writer
	in          content
	isWritten   bool // all of the request was sent
	lasts       bool // the answer's head lets the connection live
	hasSurplus  bool // something followed the answer that nobody asked for
}

// Terms is what an exchange asks of the answer, besides HTTP.
type Terms struct {
	Limits    *wire.Limits
	Tolerant  bool                 // answers may be framed wrongly in the ways of old devices
	Trailers  bool                 // trailers are of use
	Announced func() message.Names // the trailers that the request has announced
}

// Bind has s use c from here on.
func (s *Server) Bind(c engine.Conn) {
	*s = Server{Conn: c, Terms: s.Terms}
	s.out.conn = c
}

// Forget lets go of all that belongs to an exchange.
func (s *Server) Forget() { *s = Server{Terms: Terms{Announced: s.Terms.Announced}} }

// WriteRequest takes the head of a request, with the lines that frame its content; open says that the content goes in chunks. The head is borrowed until Send, which
// sends it together with the first of the content, and counts it.
func (s *Server) WriteRequest(head []byte, method message.Method, _ http2.Target, open bool) (int, error) {
	s.head, s.method, s.out.chunked = head, method, open
	return 0, nil
}

// copyMost is the largest content that is copied behind its head. A larger one is sent from where it is.
const copyMost = 2 << 10

// Send sends content, and its end where p says so. Trailers that were not announced stay behind: RFC 9110 section 6.5.1: "Trailer fields ought to be processed and
// stored separately"; who merges them into the head decides by the announcement what to expect.
func (s *Server) Send(p message.Piece, trailers []byte) (int, error) {
	if len(trailers) > 0 {
		announced := s.Terms.Announced()
		trailers = wire.AppendTrailers(nil, trailers, announced.Has)
	}
	s.isWritten = p.Ended
	if s.head != nil {
		return s.sendHead(p, trailers)
	}
	return s.out.send(p, trailers)
}

// sendHead sends the head, with p behind it.
func (s *Server) sendHead(p message.Piece, trailers []byte) (int, error) {
	b, data := s.head, p.Buf[p.From:p.End]
	s.head = nil
	if s.out.chunked {
		if len(data) > 0 {
			b = append(append(wire.AppendChunkHead(b, len(data)), data...), chunkEnd...)
		}
		if p.Ended {
			b = appendEnd(b, trailers)
		}
		data = nil
	} else if len(data) <= copyMost && len(b)+len(data) <= cap(b) {
		b, data = append(b, data...), nil
	}
	if len(data) > 0 {
		return s.Conn.WriteBuffers(b, data)
	}
	return s.Conn.Write(b)
}

// Write sends content.
func (s *Server) Write(p []byte) (int, error) {
	if _, err := s.Send(message.Piece{Buf: p, End: len(p)}, nil); err != nil {
		return 0, err
	}
	return len(p), nil
}

// WriteBuffers sends both.
func (s *Server) WriteBuffers(a, b []byte) (int, error) {
	n, err := s.Write(a)
	if err != nil || len(b) == 0 {
		return n, err
	}
	m, err := s.Write(b)
	return n + m, err
}

// SendFile sends content from a file.
func (s *Server) SendFile(w *engine.Workers, f *os.File, offset, n int64) (int64, error) {
	return s.out.sendFile(w, f, offset, n)
}

// BareOut is the connection on which content may be sent as it is; nil where it is framed.
func (s *Server) BareOut() engine.Conn {
	return s.out.bare()
}

// ReadHead waits for the server's next head, interim or final, and fills r, whose spans point into in. A piece that has a head has been dealt with; content of a final answer that
// has come along is behind its head. Called again after a timeout it goes on. n is how much was read; the error is a *wire.Fault where the answer is malformed.
func (s *Server) ReadHead(r *message.Response, in *message.Piece) (n int, err error) {
	again := in.Head > 0
	if again {
		in.From, in.Head = in.From+in.Head, 0
		if in.From == in.End {
			in.Empty()
			again = false
		}
	}
	for {
		if again {
			if isWhole, err := s.parse(r, in); isWhole || err != nil {
				return n, err
			}
		}
		if in.End == len(in.Buf) && in.Buf != nil && !s.grow(in) {
			return n, wire.FaultHeadSize
		}
		k, err := s.readMore(in)
		if err != nil {
			return n, err
		}
		in.End += k
		n += k
		again = true
	}
}

// readMore reads from the server. Before the first byte is there, it holds no buffer: an exchange that waits costs none, and all that are answered in a turn go through the
// same one.
func (s *Server) readMore(in *message.Piece) (int, error) {
	if in.Buf == nil {
		if err := engine.WaitArrival(s.Conn); err != nil {
			return 0, err
		}
		in.Buf = s.Loop().Buffer(engine.Buffer16K)
	}
	return s.Conn.Read(in.Buf[in.End:])
}

// grow moves the answer into a larger buffer; false at the limit of a head.
func (s *Server) grow(in *message.Piece) bool {
	if in.End-in.From >= s.Terms.Limits.HeadMost() {
		return false
	}
	l := s.Loop()
	b := l.Buffer(len(in.Buf) * 4)
	in.End = message.Room + copy(b[message.Room:], in.Buf[in.From:in.End])
	in.From = message.Room
	l.Release(in.Buf)
	in.Buf = b
	return true
}

// parse tries to parse a head, and reports whether it is whole.
func (s *Server) parse(r *message.Response, in *message.Piece) (isWhole bool, err error) {
	n, fault := wire.ParseResponse(in.Bytes(), r, s.method, s.Terms.Limits)
	if fault != nil && s.Terms.Tolerant {
		n, fault = s.mend(fault, r, in)
	}
	if fault != nil {
		return false, fault
	}
	if n == 0 {
		return false, nil
	}
	in.Head = n
	if r.Status < 200 {
		return true, nil // what follows 101 is no content
	}
	if fault := s.begin(r, in); fault != nil {
		return false, fault
	}
	return true, nil
}

// mend writes a head anew that is wrong in ways that the pool's servers are forgiven.
func (s *Server) mend(fault *wire.Fault, r *message.Response, in *message.Piece) (int, *wire.Fault) {
	raw := in.Bytes()
	mended, n := wire.AppendMended(nil, raw)
	if n == 0 {
		if len(raw) >= s.Terms.Limits.HeadMost() {
			return 0, fault
		}
		return 0, nil // more is to come
	}
	rest, l := raw[n:], s.Loop()
	b := l.Buffer(max(message.Room+len(mended)+len(rest)+message.Room, len(in.Buf)))
	copy(b[message.Room:], mended)
	copy(b[message.Room+len(mended):], rest)
	in.From, in.End = message.Room, message.Room+len(mended)+len(rest)
	l.Release(in.Buf)
	in.Buf = b
	return wire.ParseTolerantly(in.Bytes(), r, s.method, s.Terms.Limits)
}

// begin begins the content of a final answer with what has come along.
func (s *Server) begin(r *message.Response, in *message.Piece) *wire.Fault {
	s.lasts = r.KeepAlive
	s.in.start(r.Framing, r.Length, wire.Chunked{FromServer: true, Tolerant: s.Terms.Tolerant, Collect: s.Terms.Trailers})
	b := in.Content()
	data, used, fault := s.in.unframe(b, s.Loop().Now())
	if fault != nil {
		return fault
	}
	if used < len(b) {
		s.hasSurplus = true // the next exchange on this connection would take it for its answer
	}
	in.End, in.Ended = in.From+in.Head+data, s.in.ended
	return nil
}

// Read reads content.
func (s *Server) Read(p []byte) (int, error) {
	data, used, got, err := s.in.read(s.Conn, p)
	if used < got {
		s.hasSurplus = true
	}
	return data, err
}

// Around is how many bytes were read besides content since it was asked last: framing, trailers, and what follows the content.
func (s *Server) Around() int { return s.in.takeAround() }

// Ended reports whether all of the content has been read.
func (s *Server) Ended() bool { return s.in.ended }

// Trailers are the lines that followed the content, once that has ended.
func (s *Server) Trailers() []byte { return s.in.chunks.Trailers }

// BareIn is the connection whose next n bytes are content alone; Skip says how many were taken from it.
func (s *Server) BareIn() (c engine.Conn, n int64) { return s.Conn, s.in.bare() }

// Skip says that n bytes of content were read from the bare connection.
func (s *Server) Skip(n int64) { s.in.skip(n) }

// IsClean reports whether the connection can carry another exchange: request and answer are whole, nothing follows, and the server lets it live.
func (s *Server) IsClean() bool {
	return s.lasts && s.isWritten && s.in.ended && !s.hasSurplus && s.in.framing != message.FramingUntilClose
}

// CanConnect: HTTP/1.1 has Upgrade in its place.
func (s *Server) CanConnect(time.Duration) bool { return false }

// Done leaves the connection to whoever keeps it.
func (s *Server) Done(http2.Code) {}
