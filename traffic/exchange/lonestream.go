package exchange

import (
	"bytes"
	"io"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/http2"
	"github.com/weir-proxy/weir/wire/message"
)

// loneStream is the exchange of a client of HTTP/1.1 as a stream, for what changes content on its way: the framing of both bodies is its business. It
// lives as long as the exchange; the connection outlives it.
type loneStream struct {
	engine.Conn
	x       *Exchange
	framing message.Framing // of the request's body
	left    int64           // FramingLength: bytes to come
	chunks  http1.Chunked
	chunked bool // the answer's body goes out in chunks
}

// asStream makes a stream of a client of HTTP/1.1. What of the body is behind the head is content without framing from here on; what follows the body
// waits as the next request.
func (x *Exchange) asStream() Stream {
	l := &loneStream{Conn: x.client, x: x, framing: x.body.framing, chunks: x.body.chunks}
	data, whole := x.inBuffer()
	end := x.headLen + len(data)
	if x.inLen > end {
		l.keepPipelined(x.in[end:x.inLen])
		x.inLen = end
	}
	if l.framing != message.FramingNone {
		l.left = x.body.length - int64(len(data))
		x.body = requestBody{framing: message.FramingUntilClose, ended: whole}
		x.body.chunks.Total = int64(len(data))
	}
	x.keepAlive = x.keepAlive && x.req.Minor >= 1 // without chunks the end of the body is that of the connection
	return l
}

// isLone reports whether the client's stream is all of its connection.
func (x *Exchange) isLone() bool { return x.stream != nil && x.session.stream == nil }

func (l *loneStream) keepPipelined(b []byte) {
	l.x.ahead = l.x.at.loop.Buffer(len(b))
	l.x.aheadLen = copy(l.x.ahead, b)
}

// Read reads content. The error is a *http1.Fault where its framing is wrong.
func (l *loneStream) Read(p []byte) (int, error) {
	switch l.framing {
	case message.FramingLength:
		return l.readLength(p)
	case message.FramingChunked:
		return l.readChunks(p)
	}
	return 0, io.EOF
}

func (l *loneStream) readLength(p []byte) (int, error) {
	if l.left == 0 {
		return 0, io.EOF
	}
	n, err := l.Conn.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	return n, cutShort(err)
}

func (l *loneStream) readChunks(p []byte) (int, error) {
	for !l.chunks.IsDone() {
		n, err := l.Conn.Read(p)
		if err != nil {
			return 0, cutShort(err)
		}
		data, consumed, fault := l.chunks.Decode(p[:n])
		if fault != nil {
			return 0, fault
		}
		if consumed < n {
			l.keepPipelined(p[consumed:n])
		}
		if data > 0 {
			return data, nil
		}
	}
	return 0, io.EOF
}

// cutShort: the end of the connection is not that of a body with framing.
func cutShort(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// WriteHead adds how the body is framed, where the head does not say how long it is. It may wait.
func (l *loneStream) WriteHead(head []byte) error {
	l.Conn.SetWriteTimeout(l.x.setup.Send)
	status := head[len("HTTP/1.1 "):]
	switch {
	case status[0] == '1', bytes.HasPrefix(status, []byte("204")), bytes.HasPrefix(status, []byte("304")), hasLine(head, "Content-Length"):
	case l.x.req.Minor >= 1:
		l.chunked = true
		head = append(append([]byte(nil), head[:len(head)-2]...), "Transfer-Encoding: chunked\r\n\r\n"...)
	}
	_, err := l.Conn.Write(head)
	return err
}

// hasLine reports whether the head has a field of that name.
func hasLine(head []byte, name string) bool {
	for at := bytes.IndexByte(head, '\n') + 1; at < len(head) && head[at] != '\r'; at += bytes.IndexByte(head[at:], '\n') + 1 {
		if line := head[at:]; len(line) > len(name) && line[len(name)] == ':' && message.EqualFold(line[:len(name)], name) {
			return true
		}
	}
	return false
}

// Write writes content.
func (l *loneStream) Write(p []byte) (int, error) { return l.WriteBuffers(p, nil) }

// WriteBuffers writes content, as one chunk.
func (l *loneStream) WriteBuffers(a, b []byte) (int, error) {
	if !l.chunked {
		return l.Conn.WriteBuffers(a, b)
	}
	if len(a)+len(b) == 0 {
		return 0, nil
	}
	chunk := http1.AppendChunkHead(make([]byte, 0, message.FrameRoom+len(a)+len(b)), len(a)+len(b))
	chunk = append(append(append(chunk, a...), b...), "\r\n"...)
	if _, err := l.Conn.Write(chunk); err != nil {
		return 0, err
	}
	return len(a) + len(b), nil
}

// WriteEnd ends the answer. It may wait.
func (l *loneStream) WriteEnd(trailers []byte) error {
	if !l.chunked {
		return nil
	}
	end := lastChunk
	if len(trailers) > 0 && l.x.req.Trailers {
		end = append(append([]byte("0\r\n"), trailers...), "\r\n"...)
	}
	_, err := l.Conn.Write(end)
	return err
}

// Trailers of a request without a place for them are none.
func (l *loneStream) Trailers() []byte { return nil }

// TakeHead has no other head than the one that was read before.
func (l *loneStream) TakeHead(*message.Request) ([]byte, int, *http1.Fault) {
	return nil, 0, http1.FaultRequestLine
}

// Arrived has nothing: what had arrived was taken with the head.
func (l *loneStream) Arrived([]byte) (int, bool) { return 0, l.framing == message.FramingNone }

// Done leaves the connection, which outlives its exchange, to the session.
func (l *loneStream) Done(http2.Code) {}
