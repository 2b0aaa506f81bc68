package quic

import (
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/http2"
	"github.com/weir-proxy/weir/wire/http3"
	"github.com/weir-proxy/weir/wire/message"
)

// This file is the goroutine of a stream: it reads the request's head, hands it to the loop, and brings the content after it, if there is any.

// request reads a request.
func (c *Conn) request(raw *quicgo.Stream) {
	raw.SetReadDeadline(time.Now().Add(c.config.Header))
	r := &reader{from: raw, isClosed: &c.isClosed}
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
	if !c.spendExpansion(layout, len(block)) {
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
	b := &content{s: s, r: r, length: s.take(layout, fault, ended), isTunnel: s.request.Upgrade}
	if ended && b.length > 0 {
		c.malformed(raw, http3.MessageError)
		return
	}
	if !ended {
		raw.SetReadDeadline(time.Now().Add(contentMost))
		b.open()
		s.credit, s.gone = b.credit, b.gone
		if s.request.Framing != message.FramingNone { // a tunnel's first bytes wait until there is one
			s.piece, s.ended = b.first()
		}
	}
	hasPiece, hasMore := len(s.piece) > 0, !s.ended
	c.loop.Post(func() { c.open(s) }) // from here on the loop's
	if hasMore && (!hasPiece || b.wasRead()) {
		b.bring()
	}
}

// contentMost replaces the deadline of a head: how long content may take is the exchange's to say, which ends the stream.
const contentMost = 365 * 24 * time.Hour

// readHead reads up to the payload of the next HEADERS frame.
func (c *Conn) readHead(r *reader) (block []byte, code http3.Code) {
	for skipped := 0; ; skipped++ {
		kind, length, ok := r.header()
		switch {
		case !ok && r.at < r.end:
			return nil, r.cutCode()
		case !ok:
			return nil, http3.RequestIncomplete
		case kind == http3.FrameHeaders:
			if length > uint64(c.config.Limits.HeadMost()+readSize) {
				return nil, http3.ExcessiveLoad
			}
			if block, ok = r.take(int(length)); !ok {
				return nil, r.cutCode()
			}
			return block, 0
		case kind == http3.FrameData || !http3.MayStandInRequest(kind):
			// RFC 9114 section 4.1: "Receipt of an invalid sequence of frames MUST be treated as a connection error of type H3_FRAME_UNEXPECTED."
			return nil, http3.FrameUnexpected
		case !c.spendUnknown(length), skipped > 16:
			return nil, http3.ExcessiveLoad
		case !r.skip(length):
			return nil, r.cutCode()
		}
	}
}

// spendUnknown charges a frame of an unknown type, which is read and ignored, for each part of it.
func (c *Conn) spendUnknown(length uint64) bool {
	for {
		if !c.spend(http2.GlitchUnknown) {
			return false
		}
		if length <= controlMost {
			return true
		}
		length -= controlMost
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
	c.spend(http2.GlitchResetCaused)
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
	if isSafe(l.Method()) {
		r.lookForEnd(raw)
	}
	return r.isAtEnd()
}

// take keeps what the layout has made of a head, and says what length is announced; -1: none.
func (s *Stream) take(l *http2.Layout, fault *http1.Fault, ended bool) (length int64) {
	s.fault, s.ended = fault, ended
	if fault != nil {
		return -1
	}
	s.head = l.Buf
	s.request.Major, s.request.Minor = 3, 1
	if s.request.Has(message.FieldContentLength) {
		return s.request.Length
	}
	return -1
}
