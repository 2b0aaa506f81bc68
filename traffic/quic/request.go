package quic

import (
	"io"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/http2"
	"github.com/weir-proxy/weir/wire/http3"
	"github.com/weir-proxy/weir/wire/message"
)

// This file is the goroutine of a stream: it reads the request's head, hands it to the loop, and brings the content after it, if there is any.

// endWait is how long the end of a request that should have no content may take to follow its head. Most clients send it along.
const endWait = 3 * time.Millisecond

// request reads a request.
func (c *Conn) request(raw *quicgo.Stream) {
	raw.SetReadDeadline(time.Now().Add(c.config.Header))
	r := &reader{from: raw}
	block, code := c.readHead(r)
	if code != 0 {
		c.malformed(raw, code)
		return
	}
	s := newStream(c, raw)
	layout := &http2.Layout{}
	layout.StartRequest(c.config.Limits)
	if http3.Decode(block, layout) != nil {
		c.fail(http3.DecompressionFailed, "bad_field_section")
		return
	}
	if c.isEarly() && !c.takesEarly(layout) && !c.settle() {
		return
	}
	ended := c.endsThere(raw, r, layout)
	fault, why := layout.Request(&s.request, ended)
	if why != "" {
		c.malformed(raw, http3.MessageError)
		return
	}
	s.take(layout, fault, ended)
	if ended && s.length > 0 {
		c.malformed(raw, http3.MessageError)
		return
	}
	if !ended {
		raw.SetReadDeadline(time.Now().Add(bodyMost))
		s.credit = make(chan struct{}, 1)
		s.gone = make(chan struct{})
		s.arrived(r)
	}
	hasPiece, hasMore := len(s.piece) > 0, !s.ended
	c.loop.Post(func() { c.open(s) }) // from here on the loop's
	if hasMore && (!hasPiece || s.wasRead()) {
		s.content(r)
	}
}

// bodyMost bounds how long a stream may bring content; the exchange has its own, shorter ones.
const bodyMost = 24 * time.Hour

// readHead reads up to the payload of the first HEADERS frame.
func (c *Conn) readHead(r *reader) (block []byte, code http3.Code) {
	for skipped := 0; ; skipped++ {
		kind, length, ok := r.header()
		switch {
		case !ok:
			return nil, http3.RequestIncomplete
		case kind == http3.FrameHeaders:
			if length > uint64(c.config.Limits.HeadMost()+readSize) {
				return nil, http3.ExcessiveLoad
			}
			if block, ok = r.take(int(length)); !ok {
				return nil, http3.RequestIncomplete
			}
			return block, 0
		case kind == http3.FrameData || !http3.MayStandInRequest(kind):
			// RFC 9114 section 4.1: "Receipt of an invalid sequence of frames MUST be treated as a connection error of type H3_FRAME_UNEXPECTED."
			return nil, http3.FrameUnexpected
		case length > controlMost || skipped > 16 || !r.skip(length):
			return nil, http3.ExcessiveLoad
		}
	}
}

// malformed ends a stream, or the connection where the code says so.
func (c *Conn) malformed(raw *quicgo.Stream, code http3.Code) {
	if code == http3.FrameUnexpected || code == http3.FrameError {
		c.fail(code, "request_stream")
		return
	}
	raw.CancelRead(quicgo.StreamErrorCode(code))
	raw.CancelWrite(quicgo.StreamErrorCode(code))
	c.loop.Post(func() { c.spend(http2.GlitchResetCaused) })
}

// takesEarly reports whether a request may go on before the handshake has ended, and marks it so for servers. RFC 8470 section 4: a server may wait for the
// handshake to end, which is what happens to the rest; section 5.1: "An intermediary that forwards a request prior to the completion of the TLS handshake …
// MUST send it with the Early-Data header field set to "1"". Who can replay it gains nothing by a request that only reads.
func (c *Conn) takesEarly(l *http2.Layout) bool {
	if c.config.Waits || !isSafe(l.Method()) {
		return false
	}
	l.Field("early-data", "1")
	return true
}

// isSafe: RFC 9110 section 9.2.1.
func isSafe(method string) bool {
	return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "TRACE"
}

// endsThere reports whether no content follows the head.
func (c *Conn) endsThere(raw *quicgo.Stream, r *reader, l *http2.Layout) bool {
	if r.at < r.end {
		return false
	}
	if !r.ended && isSafe(l.Method()) {
		raw.SetReadDeadline(time.Now().Add(endWait))
		r.fill()
		if r.ended && r.err != io.EOF {
			r.ended, r.err = false, nil // it may come yet; or the stream was reset, which the next read says again
		}
	}
	return r.isAtEnd()
}

// arrived takes what of the content has come with the head.
func (s *Stream) arrived(r *reader) {
	if s.request.Framing == message.FramingNone {
		return // a tunnel's first bytes wait until there is one
	}
	kind, length, n := http3.ParseHeader(r.buf[r.at:r.end])
	if n == 0 || kind != http3.FrameData || length == 0 || uint64(r.end-r.at-n) < length || s.length >= 0 && length > uint64(s.length) {
		return
	}
	r.at += n
	piece, _ := r.take(int(length))
	s.piece = append([]byte(nil), piece...)
	s.got = int64(length)
	s.ended = r.isAtEnd() && r.err == io.EOF && (s.length < 0 || s.got == s.length)
}

// pieceMost is how much content is brought to the loop at a time.
const pieceMost = 64 << 10

// content brings the rest of the content, piece by piece: the next one when the one before has been read.
func (s *Stream) content(r *reader) {
	for {
		kind, length, ok := r.header()
		switch {
		case !ok:
			s.finish(r)
			return
		case kind == http3.FrameHeaders:
			s.trail(r, length)
			return
		case kind != http3.FrameData && !http3.MayStandInRequest(kind):
			s.conn.fail(http3.FrameUnexpected, "request_stream")
			return
		case kind != http3.FrameData:
			if length > controlMost || !r.skip(length) {
				s.tell(errMalformed, nil)
				return
			}
			continue
		}
		if !s.data(r, length) {
			return
		}
	}
}

// data brings the payload of a DATA frame; false if nothing further is wanted.
func (s *Stream) data(r *reader, length uint64) bool {
	s.got += int64(length)
	if s.length >= 0 && s.got > s.length {
		// RFC 9114 section 4.1.2: a message is malformed "if the value of a Content-Length header field does not equal the sum of the DATA frame lengths received".
		s.tell(errMalformed, nil)
		return false
	}
	for length > 0 {
		if r.at == r.end && !r.fill() {
			s.tell(errReset, nil)
			return false
		}
		n := min(length, uint64(r.end-r.at), pieceMost)
		piece := append([]byte(nil), r.buf[r.at:r.at+int(n)]...)
		r.at += int(n)
		length -= n
		if len(r.buf) < pieceMost && r.at == r.end {
			r.buf = make([]byte, pieceMost) // there is more than a head: read in larger pieces
			r.at, r.end = 0, 0
		}
		s.conn.loop.Post(func() { s.deliver(piece) })
		if !s.wasRead() {
			return false
		}
	}
	return true
}

// wasRead waits until the piece that was brought has been read; false if nobody will.
func (s *Stream) wasRead() bool {
	select {
	case <-s.credit:
		return true
	case <-s.gone:
		return false
	}
}

// finish tells the end of the content.
func (s *Stream) finish(r *reader) {
	switch {
	case r.err != io.EOF:
		s.tell(errReset, nil)
	case r.at < r.end, s.length >= 0 && s.got < s.length:
		s.tell(errMalformed, nil)
	default:
		s.tell(nil, nil)
	}
}

// trail reads the trailers, which end the request.
func (s *Stream) trail(r *reader, length uint64) {
	limits := s.conn.config.Limits
	if length > uint64(limits.HeadMost()+readSize) {
		s.tell(errMalformed, nil)
		return
	}
	block, ok := r.take(int(length))
	layout := &http2.Layout{}
	layout.StartTrailers(limits, false)
	switch {
	case !ok:
		s.tell(errReset, nil)
		return
	case http3.Decode(block, layout) != nil:
		s.conn.fail(http3.DecompressionFailed, "bad_field_section")
		return
	}
	if layout.Trailers() != "" || s.length >= 0 && s.got < s.length || r.at < r.end || r.fill() || r.err != io.EOF {
		s.tell(errMalformed, nil)
		return
	}
	s.tell(nil, append([]byte(nil), layout.Buf...))
}

// tell tells the loop how the content has ended.
func (s *Stream) tell(err error, trailers []byte) {
	s.conn.loop.Post(func() {
		if err != nil {
			if err == errMalformed {
				s.refuse(http3.MessageError)
				s.conn.spend(http2.GlitchResetCaused)
			}
			s.lose(err)
			return
		}
		s.trailers, s.ended = trailers, true
		s.fire()
	})
}

// take keeps what the layout has made of a head.
func (s *Stream) take(l *http2.Layout, fault *http1.Fault, ended bool) {
	s.fault, s.ended = fault, ended
	if fault != nil {
		return
	}
	s.head = l.Buf
	s.request.Major, s.request.Minor = 3, 1
	if s.request.Has(message.FieldContentLength) {
		s.length = s.request.Length
	}
}
