package http1

import (
	"os"

	"github.com/weir-proxy/weir/engine"
	wire "github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/http2"
	"github.com/weir-proxy/weir/wire/message"
)

// Client is the use of a client's connection of HTTP/1.1 by one exchange, from the head of its request on. As an engine.Conn it is the content alone. It is bound anew for each request.
type Client struct {
	engine.Conn                // the bare connection
	surplus       func([]byte) // takes what follows the content: the next request's beginning; borrowed
	in            content
	out           writer
	hasChunks     bool // the client understands chunks
	takesTrailers bool
	open          bool // the answer ends with the connection alone, and its end has not been sent
}

// Bind has c use the connection. surplus takes what was read behind the content.
func (c *Client) Bind(conn engine.Conn, surplus func([]byte)) {
	*c = Client{Conn: conn, surplus: surplus}
	c.out.conn = conn
}

// Forget lets go of the connection.
func (c *Client) Forget() { *c = Client{} }

// Begin begins the content of a request. Trailers that were not announced stay behind: whoever reads the head decides by it what to expect.
func (c *Client) Begin(r *message.Request) {
	c.hasChunks = r.Minor >= 1
	c.takesTrailers = r.Trailers && c.hasChunks
	c.in.start(r.Framing, r.Length, wire.Chunked{Collect: r.Framing == message.FramingChunked && r.Has(message.FieldTrailer)})
}

// Unframe finds the content in what has arrived with the head, or behind what was unframed before, and moves it to the front of b. What follows the content begins at b[used].
func (c *Client) Unframe(b []byte) (data, used int, fault *wire.Fault) {
	return c.in.unframe(b, c.Loop().Now())
}

// IsWellBegun reports whether the framing of the first content has been found good: anything that is wrong with it is known.
func (c *Client) IsWellBegun() bool {
	return c.in.framing != message.FramingChunked || c.in.ended || c.in.chunks.Total > 0 || c.in.chunks.InData()
}

// Read reads content. The error is io.EOF at its end, a *wire.Fault where its framing is wrong.
func (c *Client) Read(p []byte) (int, error) {
	data, used, got, err := c.in.read(c.Conn, p)
	if used < got {
		c.surplus(p[used:got])
	}
	return data, err
}

// Around is how many bytes were read besides content since it was asked last: framing, trailers, and what follows the content.
func (c *Client) Around() int { return c.in.takeAround() }

// Ended reports whether all of the content has been read.
func (c *Client) Ended() bool { return c.in.ended }

// Trailers are the lines that followed the content and were announced, once it has ended.
func (c *Client) Trailers() []byte { return c.in.chunks.Trailers }

// Announced is how large content at least is whose head does not say it, as far as a chunk's head has announced what is not here.
func (c *Client) Announced() int64 { return c.in.chunks.Announced() }

// BareIn is the connection whose next n bytes are content alone; Skip says how many were taken from it.
func (c *Client) BareIn() (engine.Conn, int64) { return c.Conn, c.in.bare() }

// Skip says that n bytes of content were read from the bare connection.
func (c *Client) Skip(n int64) { c.in.skip(n) }

// Owed is how much content must be read before the connection can carry another message; -1: that is not known.
func (c *Client) Owed() int64 {
	switch {
	case c.in.ended:
		return 0
	case c.in.framing == message.FramingLength:
		return c.in.left
	}
	return -1
}

// TakesTrailers reports whether the client wants to see trailers. RFC 9110 section 6.5.1: "Trailer fields ought to be generated only when the sender knows that they can
// be processed"; who has not asked may merge them into a head that is checked already.
func (c *Client) TakesTrailers() bool { return c.takesTrailers }

// Frame chooses how the answer's content is framed; open says that its head cannot tell how long it is. line is what the head must say then. lasts is false where the end of the
// content can only be that of the connection.
func (c *Client) Frame(open bool) (line string, lasts bool) {
	c.out.chunked = open && c.hasChunks
	c.open = open && !c.hasChunks
	switch {
	case c.out.chunked:
		return "Transfer-Encoding: chunked\r\n", true
	case open:
		return "", false
	}
	return "", true
}

// IsCut reports whether the answer has stopped before its end and the client would take an orderly end of the connection for that of the answer. RFC 9112 section 8: "A response that has neither
// chunked transfer coding nor Content-Length is terminated by closure of the connection and, if the header section was received intact, is considered complete unless an error was indicated by the
// underlying connection".
func (c *Client) IsCut() bool { return c.open }

// WriteHead sends the head of an interim answer, or of one without content.
func (c *Client) WriteHead(head []byte) error {
	_, err := c.Conn.Write(head)
	return err
}

// Send sends a head, content, and the end of the answer, as far as the piece has them. It reports the bytes that left, framing included.
func (c *Client) Send(p message.Piece, trailers []byte) (int, error) {
	if p.Ended {
		c.open = false
	}
	if p.Head == 0 {
		return c.out.send(p, trailers)
	}
	if len(p.More) > 0 {
		if c.out.chunked {
			return c.sendParts(p, trailers)
		}
		return c.Conn.WriteBuffers(p.Bytes(), p.More)
	}
	n := p.End - p.From - p.Head
	if !c.out.chunked || n == 0 && !p.Ended {
		return c.Conn.Write(p.Bytes())
	}
	if n == 0 || p.From < message.FrameRoom || len(p.Buf)-p.End < message.FrameRoom || len(trailers) > 0 {
		return c.sendParts(p, trailers)
	}
	// The head moves to make room for that of the chunk, which costs less than to move the content.
	var head [message.FrameRoom]byte
	h := wire.AppendChunkHead(head[:0], n)
	from := p.From - len(h)
	copy(p.Buf[from:], p.Buf[p.From:p.From+p.Head])
	copy(p.Buf[from+p.Head:], h)
	end := p.End + copy(p.Buf[p.End:], chunkEnd)
	if p.Ended {
		end += copy(p.Buf[end:], wire.LastChunk)
	}
	return c.Conn.Write(p.Buf[from:end])
}

// sendParts is Send for a head and content that have no room for framing.
func (c *Client) sendParts(p message.Piece, trailers []byte) (int, error) {
	sent, err := c.Conn.Write(p.Buf[p.From : p.From+p.Head])
	if err != nil {
		return sent, err
	}
	p.From, p.Head = p.From+p.Head, 0
	more, err := c.out.send(p, trailers)
	return sent + more, err
}

// Write sends content.
func (c *Client) Write(p []byte) (int, error) {
	if _, err := c.out.send(message.Piece{Buf: p, End: len(p)}, nil); err != nil {
		return 0, err
	}
	return len(p), nil
}

// WriteBuffers sends both.
func (c *Client) WriteBuffers(a, b []byte) (int, error) {
	if _, err := c.out.send(message.Piece{Buf: a, End: len(a), More: b}, nil); err != nil {
		return 0, err
	}
	return len(a) + len(b), nil
}

// SendFile sends content from a file.
func (c *Client) SendFile(w *engine.Workers, f *os.File, offset, n int64) (int64, error) {
	return c.out.sendFile(w, f, offset, n)
}

// BareOut is the connection on which content may be sent as it is; nil where it is framed.
func (c *Client) BareOut() engine.Conn { return c.out.bare() }

// SendFrom is for streams, whose frames content can be read into.
func (c *Client) SendFrom(engine.Conn, int) (int, error) { return 0, nil }

// Done leaves the connection, which outlives its exchange, to its owner.
func (c *Client) Done(http2.Code) {}
