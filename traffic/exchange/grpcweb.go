package exchange

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"io"
	"os"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/http2"
	"github.com/weir-proxy/weir/wire/message"
)

// gRPC-Web (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md) is gRPC for browsers, whose scripts see no trailers: those are the last message of the body, and in its
// text form all of the body is base64. weir speaks it to the client and gRPC to the server.

const (
	grpcWebType     = "application/grpc-web"
	grpcWebTextType = "application/grpc-web-text"
	trailersFrame   = 0x80 // the flag of the message that is the trailers
)

// webStream is the stream of a gRPC-Web client. Its content is gRPC's on weir's side.
type webStream struct {
	Stream
	x      *Exchange
	isText bool
	isGRPC bool    // the answer is gRPC's; any other passes as it is
	quads  [4]byte // characters of a group of base64 that is not complete
	have   int
	isBad  bool   // what follows is no base64
	buf    []byte // what Write encodes into
}

// bridgeGRPCWeb turns a gRPC-Web request into one of gRPC's, if it is one and the route wants that; false where what is here of its content is no base64, as it should be.
func (x *Exchange) bridgeGRPCWeb() bool {
	if x.request.head.Method != message.MethodPOST || x.request.head.Upgrade {
		return true
	}
	for i := range x.request.head.List {
		f := &x.request.head.List[i]
		if f.ID != message.FieldContentType {
			continue
		}
		kind := f.Value.Of(x.request.in)
		isText := hasType(kind, grpcWebTextType)
		if !isText && !hasType(kind, grpcWebType) {
			return true
		}
		w := &webStream{Stream: x.client.stream, x: x, isText: isText}
		x.client.stream = w
		x.client.keepAlive = x.client.keepAlive && (x.request.head.Major > 1 || x.request.head.Minor >= 1) // without chunks the end of the body is that of the connection
		f.Value.End = f.Value.Off + uint32(asGRPC(kind, isText))
		x.request.head.Trailers = true
		return !isText || w.decodeArrived()
	}
	return true
}

// hasType reports whether a Content-Type is the one given, maybe with what messages are made of behind a "+".
func hasType(kind []byte, name string) bool {
	if len(kind) < len(name) || !message.EqualFold(kind[:len(name)], name) {
		return false
	}
	return len(kind) == len(name) || kind[len(name)] == '+' || kind[len(name)] == ';'
}

// asGRPC makes gRPC's type of gRPC-Web's, in its place, and says how long it is. Spaces fill up the line.
func asGRPC(kind []byte, isText bool) int {
	skip := len("-web")
	if isText {
		skip = len("-web-text")
	}
	const grpc = len("application/grpc")
	n := grpc + copy(kind[grpc:], kind[grpc+skip:])
	for i := n; i < len(kind); i++ {
		kind[i] = ' '
	}
	return n
}

// decodeArrived decodes what of the content is behind the head already; false where that is no base64. The length of the content is not known from here on.
func (w *webStream) decodeArrived() bool {
	x := w.x
	if x.request.body.framing == message.FramingNone {
		return true
	}
	b := &x.request.body
	data, whole := x.inBuffer()
	n := w.decode(data, data)
	if behind := x.request.in[x.request.headLen+b.have : x.request.inLen]; len(behind) > 0 {
		x.request.inLen = x.request.headLen + n + copy(x.request.in[x.request.headLen+n:], behind)
	} else {
		x.request.inLen = x.request.headLen + n
	}
	b.framing, b.have, b.got = message.FramingUntilClose, n, int64(n)
	return !w.isBad && (!whole || w.have == 0)
}

// decode decodes src into dst, which may be the same, and keeps what is no complete group. Groups may be padded anywhere: "the stream may be base64-encoded in
// multiple chunks". It stops at what is no base64. RFC 4648 section 3.3: "Implementations MUST reject the encoded data if it contains characters outside the base alphabet".
func (w *webStream) decode(dst, src []byte) (n int) {
	var first [8]byte // a group from before can end in the first bytes and give more than was read of them; further on what is written stays behind
	copy(first[:], src)
	for i, c := range src {
		if i < len(first) {
			c = first[i]
		}
		w.quads[w.have] = c
		if w.have++; w.have < 4 {
			continue
		}
		w.have = 0
		var three [3]byte
		k, err := base64.StdEncoding.Decode(three[:], w.quads[:])
		if w.isBad = err != nil || k == 0; w.isBad { // what the decoder ignores, as line ends, is no base64 either
			break
		}
		n += copy(dst[n:], three[:k])
	}
	return n
}

// Read reads content, decoded. The error is http1.FaultBase64 where it is no base64, or half a group.
func (w *webStream) Read(p []byte) (int, error) {
	if !w.isText {
		return w.Stream.Read(p)
	}
	for {
		if w.isBad {
			return 0, http1.FaultBase64
		}
		n, err := w.Stream.Read(p)
		if err == io.EOF && w.have != 0 {
			return 0, http1.FaultBase64
		}
		if err != nil {
			return 0, err
		}
		if n = w.decode(p, p[:n]); n > 0 {
			return n, nil
		}
	}
}

// TakesTrailers: they are the last message.
func (w *webStream) TakesTrailers() bool { return true }

// Ended reports whether all of the content has been read. What is no base64 is for Read to find.
func (w *webStream) Ended() bool { return w.Stream.Ended() && w.have == 0 && !w.isBad }

// BareIn, BareOut and SendFrom: content is not what it is on the connection.
func (w *webStream) BareIn() (engine.Conn, int64)           { return nil, 0 }
func (w *webStream) BareOut() engine.Conn                   { return nil }
func (w *webStream) SendFrom(engine.Conn, int) (int, error) { return 0, nil }

// SendFile sends content from a file.
func (w *webStream) SendFile(from *engine.Workers, f *os.File, offset, n int64) (int64, error) {
	return engine.SendFile(w, from, f, offset, n)
}

// Send sends an answer as a gRPC-Web client wants it: that it is gRPC-Web, the trailers as the last message: "Trailers … encoded as a single gRPC message". It may wait.
func (w *webStream) Send(p message.Piece, trailers []byte) (int, error) {
	sent := 0
	if p.Head > 0 {
		n, err := w.Stream.Send(w.head(p.Buf[p.From:p.From+p.Head]), nil)
		if sent = n; err != nil {
			return sent, err
		}
	}
	for _, b := range [...][]byte{p.Content(), p.More} {
		n, err := w.Write(b)
		if sent += n; err != nil {
			return sent, err
		}
	}
	if !p.Ended {
		return sent, nil
	}
	if w.isGRPC && len(trailers) > 0 {
		if _, err := w.Write(trailersMessage(trailers)); err != nil {
			return sent, err
		}
		trailers = nil
	}
	n, err := w.Stream.Send(message.Piece{Ended: true}, trailers)
	return sent + n, err
}

// head is an answer's head as the client wants it. A length would be that of gRPC's content.
func (w *webStream) head(head []byte) message.Piece {
	const field = "content-type: application/grpc"
	at := bytes.IndexByte(head, '\n') + 1
	for at < len(head) && head[at] != '\r' {
		end := at + bytes.IndexByte(head[at:], '\n') + 1
		if line := head[at:end]; len(line) > len(field) && message.EqualFold(line[:len(field)], field) {
			suffix := "-web"
			if w.isText {
				suffix = "-web-text"
			}
			b := append(append([]byte(nil), head[:at+len(field)]...), suffix...)
			w.isGRPC = true
			head = withoutLine(withoutLine(append(b, head[at+len(field):]...), "Content-Length"), "Transfer-Encoding")
			framing, _ := w.Frame(true)
			head = append(append(head[:len(head)-len("\r\n")], framing...), "\r\n"...)
			break
		}
		at = end
	}
	return message.Piece{Buf: head, Head: len(head), End: len(head)}
}

// Write writes content, encoded.
func (w *webStream) Write(p []byte) (int, error) {
	b := p
	if w.isText && w.isGRPC {
		w.buf = base64.StdEncoding.AppendEncode(w.buf[:0], p)
		b = w.buf
	}
	if _, err := w.Stream.Send(message.Piece{Buf: b, End: len(b)}, nil); err != nil {
		return 0, err
	}
	return len(p), nil
}

// WriteBuffers writes both.
func (w *webStream) WriteBuffers(a, b []byte) (int, error) {
	n, err := w.Write(a)
	if err != nil {
		return n, err
	}
	m, err := w.Write(b)
	return n + m, err
}

// trailersMessage is the message that trailers are, their names in lower case.
func trailersMessage(trailers []byte) []byte {
	frame := binary.BigEndian.AppendUint32([]byte{trailersFrame}, uint32(len(trailers)))
	inName := true
	for _, c := range trailers {
		switch {
		case c == ':':
			inName = false
		case c == '\n':
			inName = true
		case inName:
			c = message.Lower(c)
		}
		frame = append(frame, c)
	}
	return frame
}

// Done ends the stream below.
func (w *webStream) Done(code http2.Code) { w.Stream.Done(code) }
