package http1

import (
	"io"

	"github.com/weir-proxy/weir/engine"
	wire "github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/message"
)

// content is the content of a message that arrives: what is known of its framing and how far it has been read.
type content struct {
	framing message.Framing
	left    int64 // FramingLength: bytes that have not been read
	ended   bool  // all of it, with its trailers, has been read
	chunks  wire.Chunked
	around  int // bytes that read has taken besides content, and nobody has asked for
}

// start begins the content of a message. chunks is how a chunked one is to be decoded.
func (c *content) start(framing message.Framing, length int64, chunks wire.Chunked) {
	*c = content{framing: framing, left: length, chunks: chunks}
	c.ended = framing == message.FramingNone || framing == message.FramingLength && length == 0
}

// unframe finds the content in b, which is what has arrived, and moves it to the front of b. What follows the content begins at b[used]; used is
// len(b) while there is more to come. now is the loop's clock.
func (c *content) unframe(b []byte, now int64) (data, used int, fault *wire.Fault) {
	switch c.framing {
	case message.FramingLength:
		data = int(min(int64(len(b)), c.left))
		c.left -= int64(data)
		c.ended = c.left == 0
		return data, data, nil
	case message.FramingChunked:
		c.chunks.Now = now
		data, used, fault = c.chunks.Decode(b)
		c.ended = c.chunks.IsDone()
		return data, used, fault
	case message.FramingUntilClose:
		return len(b), len(b), nil
	}
	return 0, 0, nil
}

// read reads content from the connection. The error is io.EOF at the end, a *wire.Fault where the framing is wrong, and io.ErrUnexpectedEOF where the connection
// ended before the content. used < got says that what follows the content was read too: p[used:got].
func (c *content) read(conn engine.Conn, p []byte) (data, used, got int, err error) {
	for !c.ended {
		room := p
		if c.framing == message.FramingLength {
			room = p[:min(int64(len(p)), c.left)]
		}
		got, err = conn.Read(room)
		if err == io.EOF && c.framing == message.FramingUntilClose {
			c.ended = true
			return 0, 0, 0, io.EOF
		}
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return 0, 0, 0, err
		}
		var fault *wire.Fault
		data, used, fault = c.unframe(room[:got], conn.Loop().Now())
		if c.around += got - data; fault != nil {
			return 0, 0, 0, fault
		}
		if data > 0 || used < got {
			return data, used, got, nil
		}
	}
	return 0, 0, 0, io.EOF
}

// takeAround is how many bytes were read besides content since it was asked last: chunks' heads and ends, trailers, and what follows the content.
func (c *content) takeAround() int {
	n := c.around
	c.around = 0
	return n
}

// bare is how many bytes come next that are content alone.
func (c *content) bare() int64 {
	if c.framing == message.FramingLength {
		return c.left
	}
	return 0
}

// skip says that n bytes of content were read from the bare connection.
func (c *content) skip(n int64) {
	c.left -= n
	c.ended = c.left == 0
}
