package http1

import (
	"os"

	"github.com/weir-proxy/weir/engine"
	wire "github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/message"
)

// writer sends a message's content on a connection.
type writer struct {
	conn    engine.Conn
	chunked bool // the content goes out in chunks
	around  int  // bytes of framing around files, which the next send reports
}

var lastChunk = []byte(wire.LastChunk)

const chunkEnd = "\r\n"

// bare is the connection where content goes out as it is; nil where it is framed.
func (w *writer) bare() engine.Conn {
	if w.chunked {
		return nil
	}
	return w.conn
}

// send sends content, and its end where p says so; trailers are lines. It reports the bytes that left, framing included.
func (w *writer) send(p message.Piece, trailers []byte) (int, error) {
	around := w.around
	w.around = 0
	n, err := w.sendPiece(p, trailers)
	return around + n, err
}

func (w *writer) sendPiece(p message.Piece, trailers []byte) (int, error) {
	n := p.End - p.From + len(p.More)
	switch {
	case n == 0 && (!p.Ended || !w.chunked):
		return 0, nil
	case n == 0:
		return w.end(trailers)
	case !w.chunked && len(p.More) > 0:
		return w.conn.WriteBuffers(p.Buf[p.From:p.End], p.More)
	case !w.chunked:
		return w.conn.Write(p.Buf[p.From:p.End])
	case len(p.More) > 0 || p.From < message.FrameRoom || len(p.Buf)-p.End < message.FrameRoom:
		return w.sendAround(p, trailers)
	}
	isLast := p.Ended && len(trailers) == 0
	b := frame(p, isLast)
	sent, err := w.conn.Write(b)
	if err != nil || !p.Ended || isLast {
		return sent, err
	}
	more, err := w.end(trailers)
	return sent + more, err
}

// frame puts a chunk's head before, and its end behind, the content of p, in the room that is there.
func frame(p message.Piece, isLast bool) []byte {
	var head [message.FrameRoom]byte
	h := wire.AppendChunkHead(head[:0], p.End-p.From)
	from, end := p.From-len(h), p.End
	copy(p.Buf[from:], h)
	end += copy(p.Buf[end:], chunkEnd)
	if isLast {
		end += copy(p.Buf[end:], wire.LastChunk)
	}
	return p.Buf[from:end]
}

// sendAround is send for content that has no room around it.
func (w *writer) sendAround(p message.Piece, trailers []byte) (sent int, err error) {
	var head [message.FrameRoom]byte
	end := []byte(chunkEnd)
	if p.Ended {
		end = appendEnd(end, trailers)
	}
	parts := [...][]byte{wire.AppendChunkHead(head[:0], p.End-p.From+len(p.More)), p.Buf[p.From:p.End], p.More, end}
	for _, b := range parts {
		n := 0
		if len(b) > 0 {
			n, err = w.conn.Write(b)
		}
		if sent += n; err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// end ends chunked content.
func (w *writer) end(trailers []byte) (int, error) {
	if len(trailers) == 0 {
		return w.conn.Write(lastChunk)
	}
	return w.conn.Write(appendEnd(nil, trailers))
}

func appendEnd(b, trailers []byte) []byte {
	b = append(b, "0\r\n"...)
	b = append(b, trailers...)
	return append(b, chunkEnd...)
}

// sendFile sends content from a file, as one chunk where it is chunked.
func (w *writer) sendFile(from *engine.Workers, f *os.File, offset, n int64) (int64, error) {
	if w.chunked {
		var head [message.FrameRoom]byte
		k, err := w.conn.Write(wire.AppendChunkHead(head[:0], int(n)))
		if w.around += k; err != nil {
			return 0, err
		}
	}
	sent, err := engine.SendFile(w.conn, from, f, offset, n)
	if err == nil && w.chunked {
		var k int
		k, err = w.conn.Write([]byte(chunkEnd))
		w.around += k
	}
	return sent, err
}
