package quic

import (
	"errors"
	"sync"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/wire/http3"
)

// A little is handed to quic-go at once, on the loop; more is sent by a goroutine, which waits for the peer's windows, one piece at a time, while the next one
// is filled. The pieces are what bounds the memory of an answer that the client does not take.
const (
	atOnceMost = 16 << 10
	outMost    = 128 << 10
)

// pieces are what is handed out whole, of all loops and connections: an answer needs two for as long as it lasts.
var pieces = sync.Pool{New: func() any { return new([outMost]byte) }}

// piecesMost bounds the pieces of a connection: a client that reads none of a hundred answers had weir hold 256 KiB for each. Streams without a piece send atOnceMost at a time.
const piecesMost = 8

// most is how much out may have.
func (s *Stream) most() int {
	if cap(s.out) >= outMost || s.conn.pieces < piecesMost && !s.conn.loop.IsCrowded() {
		return outMost
	}
	return atOnceMost
}

// roomy makes out a piece.
func (s *Stream) roomy() {
	if cap(s.out) < outMost {
		s.out = append(pieces.Get().(*[outMost]byte)[:0], s.out...)
		s.conn.holdPieces(1)
	}
}

// holdPieces counts pieces that are taken, or given back by a negative n.
func (c *Conn) holdPieces(n int) {
	c.pieces += n
	c.loop.Hold(n * outMost)
}

// release gives pieces back once nothing more is sent.
func (s *Stream) release() {
	s.giveBack(s.out)
	s.giveBack(s.spare)
	s.out, s.spare = nil, nil
}

// isPiece reports whether b is a whole piece, which is counted.
func isPiece(b []byte) bool { return cap(b) == outMost }

// giveBack gives b back if it is a piece.
func (s *Stream) giveBack(b []byte) {
	if isPiece(b) {
		pieces.Put((*[outMost]byte)(b[:outMost]))
		s.conn.holdPieces(-1)
	}
}

// dead says why nothing can be sent on the stream; nil if something can.
func (s *Stream) dead() error {
	switch {
	case s.err != nil:
		return s.err
	case s.sendErr != nil:
		return s.sendErr
	case s.finished || s.closed:
		return engine.ErrClosed
	}
	return nil
}

// WriteHead sends the head of an answer, interim or final, in the form of HTTP/1.1 up to the empty line or the end. It does not wait, and borrows head. An interim one that has no
// place, because the client does not read, is dropped.
func (s *Stream) WriteHead(head []byte) error {
	if err := s.dead(); err != nil {
		return err
	}
	if head[len("HTTP/1.1 ")] == '1' && len(s.out) > atOnceMost {
		return nil
	}
	s.section(func(b []byte) []byte { return http3.AppendResponse(b, head) })
	s.flushLater()
	return nil
}

// section appends a HEADERS frame. Trailers behind a full piece outgrow it: the piece is given back then. A buffer that happens to grow to the size of a piece becomes one.
func (s *Stream) section(encode func([]byte) []byte) {
	at, before := len(s.out), s.out
	s.out = encode(append(s.out, make([]byte, http3.HeaderRoom)...))
	switch {
	case cap(s.out) == cap(before):
	case isPiece(before):
		s.giveBack(before)
	case isPiece(s.out):
		s.conn.holdPieces(1)
	}
	http3.PutHeader(s.out[at:], http3.FrameHeaders, len(s.out)-at-http3.HeaderRoom)
}

// Write sends content; it parks while there is no room for it.
func (s *Stream) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		if err := s.dead(); err != nil {
			return done, err
		}
		if s.IsInterrupted() {
			return done, engine.ErrInterrupted
		}
		if s.unwanted {
			return len(p), nil
		}
		room := s.most() - len(s.out) - http3.HeaderMost
		if room <= 0 {
			if s.flush(); len(s.out) > 0 {
				if err := s.waitLanding(); err != nil {
					return done, err
				}
			}
			continue
		}
		n := min(room, len(p)-done)
		if len(s.out)+n > atOnceMost {
			s.roomy()
		}
		s.out = http3.AppendHeader(s.out, http3.FrameData, n)
		s.out = append(s.out, p[done:done+n]...)
		done += n
	}
	s.flushLater()
	return done, nil
}

// SendFrom sends content that has arrived at c, most bytes at most, and reports how much; it parks while there is no room for it. 0 without an error says to read
// and Write it instead: nothing has arrived that can be taken so.
func (s *Stream) SendFrom(c engine.Conn, most int) (int, error) {
	for {
		if err := s.dead(); err != nil {
			return 0, err
		}
		if s.IsInterrupted() {
			return 0, engine.ErrInterrupted
		}
		if s.unwanted || most <= atOnceMost || s.most() < outMost || !engine.MayReadNow(c) {
			return 0, nil
		}
		if outMost-len(s.out) >= atOnceMost {
			break
		}
		if s.flush(); len(s.out) > 0 {
			if err := s.waitLanding(); err != nil {
				return 0, err
			}
		}
	}
	s.roomy()
	at := len(s.out) + http3.HeaderRoom
	s.parts[0] = s.out[at:min(outMost, at+most)]
	n := engine.ReadNow(c, s.parts[:])
	if n > 0 {
		s.out = s.out[:at+n]
		http3.PutHeader(s.out[at-http3.HeaderRoom:], http3.FrameData, n)
		s.flushLater()
	}
	return n, nil
}

// WriteBuffers sends both.
func (s *Stream) WriteBuffers(a, b []byte) (int, error) {
	n, err := s.Write(a)
	if err != nil || len(b) == 0 {
		return n, err
	}
	m, err := s.Write(b)
	return n + m, err
}

// WriteEnd ends the answer, with trailer lines or without.
func (s *Stream) WriteEnd(trailers []byte) error {
	if err := s.dead(); err != nil {
		return err
	}
	if len(trailers) > 0 {
		s.section(func(b []byte) []byte { return http3.AppendTrailers(b, trailers) })
	}
	s.finished = true
	s.flush()
	return nil
}

// flushLater has out sent at the end of the turn.
func (s *Stream) flushLater() {
	if !s.last && !s.flying {
		s.last = true
		s.conn.loop.GoLast((*flusher)(s))
	}
}

// flusher sends what a stream has collected.
type flusher Stream

// Run sends it.
func (f *flusher) Run() {
	s := (*Stream)(f)
	s.last = false
	s.flush()
}

// flush hands out to quic-go, or to a goroutine.
func (s *Stream) flush() {
	if s.flying || s.closed || s.unwanted || s.err != nil || s.sendErr != nil {
		return
	}
	if len(s.out) > 0 && len(s.out) <= atOnceMost && s.sent+len(s.out) <= outMost && !s.conn.isBehind() {
		switch err := s.raw.TryWriteAll(s.out); err {
		case nil:
			s.sent += len(s.out)
			s.conn.given += uint64(len(s.out))
			s.out = s.out[:0]
		case quicgo.ErrWouldBlock:
		default:
			s.unsent(err)
			return
		}
	}
	if len(s.out) > 0 {
		s.fly()
		return
	}
	if s.finished {
		s.closed = true
		s.release()
		s.raw.Close()
		s.sentAll()
	}
}

// backlogMost and backlogCrowded bound what quic-go keeps of a connection that it has been handed and could not send yet. It takes whatever the peer's windows allow: a hundred streams
// with 64 KiB each, which nobody else counts.
const (
	backlogMost    = 256 << 10
	backlogCrowded = 32 << 10
)

// isBehind reports whether quic-go has so much to send for the connection that further content has to wait for its turn, on the goroutine of its stream.
func (c *Conn) isBehind() bool {
	if c.running <= plainStreams {
		return false
	}
	most := uint64(backlogMost)
	if c.loop.IsCrowded() {
		most = backlogCrowded
	}
	stats := c.raw.ConnectionStats()
	return c.given+stats.BytesLost > stats.BytesSent+most
}

// fly has a goroutine send out.
func (s *Stream) fly() {
	piece := s.out
	s.out, s.spare = s.spare[:0], nil
	s.flying = true
	s.conn.given += uint64(len(piece))
	raw, l, patience := s.raw, s.conn.loop, s.conn.config.Send
	land := func(err error) { l.Post(func() { s.landed(piece, err) }) }
	go l.Guard(func() { land(writeParts(raw, piece, patience)) }, func() { land(engine.ErrClosed) })
}

// partSize is how much the peer has to take within Config.Send. The deadline is set anew for each part: it bounds a pause, and not the rate.
const partSize = 4 << 10

// writeParts writes b, and fails when the peer takes nothing for as long as patience.
func writeParts(raw *quicgo.Stream, b []byte, patience time.Duration) error {
	for len(b) > 0 {
		raw.SetWriteDeadline(time.Now().Add(patience))
		n, err := raw.Write(b[:min(len(b), partSize)])
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// waitLanding parks until there may be room. The goroutine that sends a piece has a deadline for each part of it, so that the stream has none of its own
// meanwhile: a peer that takes the piece slowly is not silent.
func (s *Stream) waitLanding() error {
	err := s.WaitRoom()
	if err == engine.ErrTimeout && s.flying {
		s.Wrote()
		return nil
	}
	return err
}

// landed goes on after a piece was sent.
func (s *Stream) landed(piece []byte, err error) {
	s.flying = false
	s.sent += len(piece)
	s.spare = piece
	switch {
	case err == nil:
		if len(s.out) > 0 || s.finished {
			s.flush()
		}
	default:
		s.unsent(err)
	}
	if s.closed && !s.flying {
		s.release()
	}
	s.MakeRoom()
}

// unsent: nothing more can be sent. A client that takes no answer is gone; a server that takes no more of a request may still answer it. RFC 9114 section 4.1: "Clients
// MUST NOT discard complete responses as a result of having their request terminated abruptly"; of NO_ERROR, with which a server says that it has enough, nobody
// need know.
func (s *Stream) unsent(err error) {
	switch {
	case s.wasDone: // the message was complete, and sending it was all that was left
		s.refuse(http3.RequestCancelled)
		return
	case !s.conn.toServer:
		s.lose(errReset)
		return
	}
	s.release()
	var reset *quicgo.StreamError
	if errors.As(err, &reset) && http3.Code(reset.ErrorCode) == http3.NoError {
		s.unwanted = true
		return
	}
	s.sendErr = s.conn.lossOf(err)
}
