package quic

import (
	"io"

	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/http2"
	"github.com/weir-proxy/weir/wire/http3"
)

// content is what follows a head on a stream: the stream's goroutine reads it, and brings it to the loop piece by piece, the next one when the one before has been
// read. Of that goroutine alone.
type content struct {
	s      *Stream
	r      *reader
	length int64 // as it was announced; -1: was not
	got    int64
	credit chan struct{} // says that the piece has been read
	gone   chan struct{} // closed when nobody wants more
	piece  []byte        // content that was not brought to the loop yet

	isTunnel bool // of an extended CONNECT: nothing but content comes
}

// frameCut is what is said of a stream that ends within a frame.
const frameCut = "frame_cut"

// open makes ready for content that comes later than its head.
func (b *content) open() { b.credit, b.gone = make(chan struct{}, 1), make(chan struct{}) }

// first takes what of the content has come with the head, if that is a whole frame; ended says that nothing follows.
func (b *content) first() (piece []byte, ended bool) {
	r := b.r
	kind, length, n := http3.ParseHeader(r.buf[r.at:r.end])
	if n == 0 || kind != http3.FrameData || length == 0 || uint64(r.end-r.at-n) < length || b.length >= 0 && length > uint64(b.length) {
		return nil, false
	}
	r.at += n
	p, _ := r.take(int(length))
	b.got = int64(length)
	return append([]byte(nil), p...), r.isAtEnd() && r.err == io.EOF && (b.length < 0 || b.got == b.length)
}

// pieceMost is how much content is brought to the loop at a time: by each of manyBringers streams of a connection at most. More than that, which are uploads side by side, bring
// pieceLeast.
const (
	pieceMost    = 64 << 10
	pieceLeast   = 8 << 10
	manyBringers = 8
)

// size is how much the next piece may have.
func (b *content) size() int {
	if b.s.conn.bringers.Load() > manyBringers {
		return pieceLeast
	}
	return pieceMost
}

// bring brings the rest of the content, and tells how it has ended. What is here already of several frames goes to the loop together: a peer that sends a byte in each frame
// must not cause a turn of the loop for each.
func (b *content) bring() {
	b.s.conn.bringers.Add(1)
	defer b.s.conn.bringers.Add(-1)
	for {
		if !b.r.hasHeader() && !b.flush() {
			return
		}
		kind, length, ok := b.r.header()
		if (!ok || kind != http3.FrameData) && !b.flush() {
			return
		}
		switch {
		case !ok:
			b.finish()
			return
		case kind == http3.FrameHeaders && b.isTunnel:
			// RFC 9114 section 4.4: once a CONNECT has been answered, "only DATA frames are permitted to be sent on the stream. … Receipt of any other known frame type MUST be
			// treated as a connection error of type H3_FRAME_UNEXPECTED."
			b.breaks(http3.FrameUnexpected, "frame_unexpected")
			return
		case kind == http3.FrameHeaders:
			b.trail(length)
			return
		case kind != http3.FrameData && !http3.MayStandInRequest(kind):
			b.breaks(http3.FrameUnexpected, "frame_unexpected")
			return
		case kind != http3.FrameData:
			if !b.s.conn.spendUnknown(length) {
				b.lost()
				return
			}
			if !b.r.skip(length) {
				b.broken()
				return
			}
			continue
		}
		if !b.s.conn.spendData(length) {
			b.lost()
			return
		}
		if !b.data(length) {
			return
		}
	}
}

// flush brings the piece that has come to the loop, and waits until it is read; false if nothing further is wanted.
func (b *content) flush() bool {
	if len(b.piece) == 0 {
		return true
	}
	s, piece := b.s, b.piece
	b.piece = nil
	s.conn.loop.Post(func() { s.deliver(piece) })
	return b.wasRead()
}

// data takes the payload of a DATA frame; false if nothing further is wanted.
func (b *content) data(length uint64) bool {
	r := b.r
	b.got += int64(length)
	if b.length >= 0 && b.got > b.length {
		// RFC 9114 section 4.1.2: a message is malformed "if the value of a Content-Length header field does not equal the sum of the DATA frame lengths received".
		b.malformed("content_exceeds_length")
		return false
	}
	for length > 0 {
		if r.at == r.end {
			if !b.flush() {
				return false
			}
			if !r.fill() {
				b.broken()
				return false
			}
		}
		n := min(length, uint64(r.end-r.at), uint64(max(1, b.size()-len(b.piece))))
		b.piece = append(b.piece, r.buf[r.at:r.at+int(n)]...)
		r.at += int(n)
		length -= n
		if r.at == r.end && len(r.buf) < b.size() {
			r.buf = make([]byte, pieceMost) // there is more than a head: read in larger pieces
			r.at, r.end = 0, 0
		}
		if len(b.piece) >= b.size() && !b.flush() {
			return false
		}
	}
	return true
}

// wasRead waits until the piece that was brought has been read; false if nobody will.
func (b *content) wasRead() bool {
	select {
	case <-b.credit:
		return true
	case <-b.gone:
		return false
	}
}

// finish tells the end of the content.
func (b *content) finish() {
	switch {
	case b.r.err != io.EOF:
		b.lost()
	case b.r.at < b.r.end:
		b.broken()
	case b.length >= 0 && b.got < b.length:
		b.malformed("content_missing")
	default:
		b.end(nil)
	}
}

// trail reads the trailers, which end the message.
func (b *content) trail(length uint64) {
	limits := b.s.conn.config.Limits
	if length > uint64(limits.HeadMost()+readSize) {
		b.malformed(http1.FaultHeadSize.Reason)
		return
	}
	block, ok := b.r.take(int(length))
	layout := &http2.Layout{}
	layout.StartTrailers(limits, b.s.conn.toServer)
	switch {
	case !ok:
		b.broken()
		return
	case http3.Decode(block, layout) != nil:
		b.breaks(http3.DecompressionFailed, "bad_field_section")
		return
	}
	if !b.s.conn.spendExpansion(layout, len(block)) {
		b.lost()
		return
	}
	if why := b.badTrailers(layout); why != "" {
		b.malformed(why)
		return
	}
	if !b.nothingFollows() {
		return
	}
	b.end(append([]byte(nil), layout.Buf...))
}

// badTrailers is what is wrong with a message that ends by these trailers; "" if nothing is.
func (b *content) badTrailers(l *http2.Layout) string {
	if why := l.Trailers(); why != "" {
		return why
	}
	if b.length >= 0 && b.got < b.length {
		return "content_missing"
	}
	return ""
}

// nothingFollows waits for the end of a stream whose trailers have come; false if it does not come. RFC 9114 section 9: "Implementations MUST ignore unknown or unsupported
// values in all extensible protocol elements", so that frames of unknown types may come yet; section 4.1: "Receipt of an invalid sequence of frames MUST be treated as a
// connection error of type H3_FRAME_UNEXPECTED. In particular, … a HEADERS or DATA frame after the trailing HEADERS frame".
func (b *content) nothingFollows() bool {
	for {
		kind, length, ok := b.r.header()
		switch {
		case !ok && b.r.at < b.r.end:
			b.broken()
		case !ok && b.r.err == io.EOF:
			return true
		case !ok:
			b.lost()
		case kind == http3.FrameData, kind == http3.FrameHeaders, !http3.MayStandInRequest(kind):
			b.breaks(http3.FrameUnexpected, "frame_after_trailers")
		case !b.s.conn.spendUnknown(length):
			b.lost()
		case !b.r.skip(length):
			b.broken()
		default:
			continue
		}
		return false
	}
}

// end tells the loop that the content has come to its end, with trailers or without.
func (b *content) end(trailers []byte) {
	s := b.s
	s.conn.loop.Post(func() {
		s.trailers, s.ended = trailers, true
		s.Arrive()
	})
}

// lost tells the loop that the stream has ended before its message. A server that ends it as if that were whole is to blame.
func (b *content) lost() {
	if c := b.s.conn; c.toServer && b.r.err == io.EOF && c.ending.Load() == nil {
		b.malformed("message_cut")
		return
	}
	s, err := b.s, b.s.conn.lossOf(b.r.err)
	s.conn.loop.Post(func() { s.lose(err) })
}

// broken is lost for a stream that has ended within a frame.
func (b *content) broken() {
	if b.r.err == io.EOF {
		b.breaks(http3.FrameError, frameCut)
		return
	}
	b.lost()
}

// malformed tells the loop that the peer has sent what it must not, which ends the stream.
func (b *content) malformed(why string) {
	s := b.s
	s.conn.loop.Post(func() { s.blame(why) })
}

// breaks is malformed where the rule is one of the whole connection.
func (b *content) breaks(code http3.Code, why string) {
	b.malformed(why)
	b.s.conn.fail(code, why)
}
