package quic

import (
	"io"
	"net"
	"sync/atomic"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/weir-proxy/weir/wire/http3"
)

// reader reads frames from a stream. Of one goroutine.
type reader struct {
	from  io.Reader
	buf   []byte // buf[at:end] is not used yet
	at    int
	end   int
	ended bool // the stream's end, or a fault, has come behind what is in buf
	err   error

	isClosed *atomic.Bool // weir has begun to close the connection: nothing further is read
}

// readSize is enough for most heads.
const readSize = 4 << 10

// fill reads what there is, at least one byte; false at the end.
func (r *reader) fill() bool {
	if r.ended {
		return false
	}
	if r.isClosed.Load() {
		r.ended, r.err = true, net.ErrClosed
		return false
	}
	if r.buf == nil {
		r.buf = make([]byte, readSize)
	}
	if r.at == r.end {
		r.at, r.end = 0, 0
	} else if r.end == len(r.buf) {
		if r.at == 0 {
			r.buf = append(r.buf, make([]byte, len(r.buf))...)
		} else {
			r.end = copy(r.buf, r.buf[r.at:r.end])
			r.at = 0
		}
	}
	n, err := r.from.Read(r.buf[r.end:])
	r.end += n
	if err != nil {
		r.ended, r.err = true, err
	}
	return n > 0
}

// varint reads an integer; false at the end.
func (r *reader) varint() (uint64, bool) {
	for {
		if v, n := http3.ParseVarint(r.buf[r.at:r.end]); n > 0 {
			r.at += n
			return v, true
		}
		if !r.fill() {
			return 0, false
		}
	}
}

// header reads a frame's header; false at the end.
func (r *reader) header() (kind, length uint64, ok bool) {
	for {
		if kind, length, n := http3.ParseHeader(r.buf[r.at:r.end]); n > 0 {
			r.at += n
			return kind, length, true
		}
		if !r.fill() {
			return 0, 0, false
		}
	}
}

// cutCode is the code for a stream that has ended within a frame. RFC 9114 section 7.1: "When a stream terminates cleanly, if the last frame on the stream was truncated, this
// MUST be treated as a connection error of type H3_FRAME_ERROR."
func (r *reader) cutCode() http3.Code {
	if r.err == io.EOF {
		return http3.FrameError
	}
	return http3.RequestIncomplete
}

// hasHeader reports whether the next frame's header is here already.
func (r *reader) hasHeader() bool {
	_, _, n := http3.ParseHeader(r.buf[r.at:r.end])
	return n > 0
}

// take returns the next n bytes, which are good until the next call; false if there are fewer. The caller bounds n.
func (r *reader) take(n int) ([]byte, bool) {
	for r.end-r.at < n {
		if !r.fill() {
			return nil, false
		}
	}
	b := r.buf[r.at : r.at+n]
	r.at += n
	return b, true
}

// skip leaves n bytes out; false if there are fewer.
func (r *reader) skip(n uint64) bool {
	for n > 0 {
		if r.at == r.end && !r.fill() {
			return false
		}
		k := min(n, uint64(r.end-r.at))
		r.at += int(k)
		n -= k
	}
	return true
}

// endWait is how long the end of a message that should have no content may take to follow its head. Most peers send it along.
const endWait = 3 * time.Millisecond

// lookForEnd waits a moment for the end of the stream, if nothing of it is left in buf.
func (r *reader) lookForEnd(s *quicgo.Stream) {
	if r.ended || r.at < r.end {
		return
	}
	s.SetReadDeadline(time.Now().Add(endWait))
	r.fill()
	if r.ended && r.err != io.EOF {
		r.ended, r.err = false, nil // it may come yet; or the stream was reset, which the next read says again
	}
}

// isAtEnd reports whether nothing follows, as far as is known.
func (r *reader) isAtEnd() bool { return r.ended && r.at == r.end }

// Read reads what there is.
func (r *reader) Read(p []byte) (int, error) {
	if r.at == r.end && !r.fill() {
		return 0, r.err
	}
	n := copy(p, r.buf[r.at:r.end])
	r.at += n
	return n, nil
}
