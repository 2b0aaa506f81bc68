package stream

import (
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/wire/http2"
)

// outMost is how much is put into frames before it is sent: what TLS encrypts at a time, so that it leaves in one system call (of 64 KiB it makes 48 and 16). What has
// no place waits, and is taken by priority.
const outMost = 48 << 10

// dataLeast is the least content that is worth the place that is left.
const dataLeast = 1 << 10

// left is how much content has a place.
func (c *Conn) left() int {
	if n := outMost - len(c.out) - http2.HeaderLen; n >= dataLeast {
		return n
	}
	return 0
}

// outUnread bounds the frames that a peer asks for, and does not read.
const outUnread = 256 << 10

// room makes sure that n more bytes fit into out.
func (c *Conn) room(n int) {
	switch {
	case c.out == nil:
		c.out = c.loop.Buffer(max(n, engine.Buffer4K))[:0]
	case cap(c.out)-len(c.out) < n:
		b := c.loop.Buffer(max(len(c.out)+n, 4*cap(c.out)))[:len(c.out)]
		copy(b, c.out)
		c.loop.Release(c.out[:cap(c.out)])
		c.out = b
	}
}

func (c *Conn) dropOut() {
	if c.out != nil {
		c.loop.Release(c.out[:cap(c.out)])
		c.out = nil
	}
}

// flushLater has out sent at the end of the turn.
func (c *Conn) flushLater() {
	if !c.willFlush && !c.flushing {
		c.willFlush = true
		c.loop.GoLast((*flusher)(c))
	}
}

// flusher sends what a connection has collected.
type flusher Conn

// Run sends until nothing is left, or nothing may be sent.
func (f *flusher) Run() {
	c := (*Conn)(f)
	c.willFlush, c.flushing = false, true
	for !c.ended {
		c.fill()
		if len(c.out) == 0 {
			break
		}
		out := c.out
		c.out = nil
		c.outTurn++
		c.raw.SetWriteTimeout(c.config.Send)
		_, err := c.raw.Write(out)
		c.loop.Release(out[:cap(out)])
		if err != nil {
			c.flushing = false
			c.end(err)
			return
		}
	}
	c.flushing = false
	switch {
	case c.ended:
		c.dropOut()
	case c.closing:
		c.linger()
	}
}

// Panicked ends the connection.
func (f *flusher) Panicked() {
	f.flushing = false
	(*Conn)(f).end(engine.ErrClosed)
}

// Lingering: a connection that is closed while the peer is still sending is reset, and what it was told last may be lost.
const (
	lingerFor  = time.Second
	lingerMost = 256 << 10
)

// linger tells the peer that nothing more will come, and reads on for a moment.
func (c *Conn) linger() {
	defer c.end(engine.ErrClosed)
	if c.raw.CloseWrite() != nil || c.err == nil && c.toServer {
		return
	}
	c.raw.Reclaim()
	c.raw.Interrupt() // of the coroutine that reads, if there is one
	c.loop.Yield()
	c.raw.ClearInterrupt()
	b := c.loop.Buffer(engine.Buffer4K)
	defer c.loop.Release(b)
	by := c.loop.Now() + int64(lingerFor/time.Millisecond)
	for read := 0; read < lingerMost && c.loop.Now() < by && !c.ended; {
		c.raw.SetReadTimeout(time.Duration(by-c.loop.Now()) * time.Millisecond)
		n, err := c.raw.Read(b)
		if err != nil {
			return
		}
		read += n
	}
}

// dead says why nothing can be sent on the stream; nil if something can.
func (s *Stream) dead() error {
	switch {
	case s.err != nil:
		return s.err
	case !s.state.MaySend() && s.state != http2.StateIdle, s.conn.closing:
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
	c := s.conn
	if isInterim(head) && len(c.out) > outMost {
		return nil
	}
	s.state.On(http2.SendHeaders)
	at := c.beginHead(len(head))
	c.out = http2.AppendResponse(c.out, head)
	c.endHead(s, at, 0)
	return nil
}

// isInterim reports whether a head in the form of HTTP/1.1 is one of a 1xx response.
func isInterim(head []byte) bool { return head[len("HTTP/1.1 ")] == '1' }

// beginHead makes room for a head of which the form of HTTP/1.1 has n bytes: a field is never longer by more than its line has around it.
func (c *Conn) beginHead(n int) (at int) {
	c.room(http2.HeaderLen + 2*n + 64)
	at = len(c.out)
	c.out = c.out[:at+http2.HeaderLen]
	if !c.tableSaid {
		c.tableSaid = true
		c.out = append(c.out, http2.NoTable)
	}
	return at
}

// endHead puts the frame's header before the block that begins behind at, and cuts the block where it is longer than a frame may be.
func (c *Conn) endHead(s *Stream, at int, flags uint8) {
	n := len(c.out) - at - http2.HeaderLen
	most := c.theirs.MaxFrame
	if n <= most {
		http2.PutHeader(c.out[at:], n, http2.FrameHeaders, flags|http2.FlagEndHeaders, s.id)
		s.noteFrame(at)
		c.flushLater()
		return
	}
	block := append([]byte(nil), c.out[at+http2.HeaderLen:]...)
	c.out = c.out[:at]
	kind := http2.FrameHeaders
	c.room(n + (n/most+1)*http2.HeaderLen)
	for len(block) > 0 {
		k := min(most, len(block))
		f := flags
		if k == len(block) {
			f |= http2.FlagEndHeaders
		}
		c.out = http2.AppendHeader(c.out, k, kind, f, s.id)
		c.out = append(c.out, block[:k]...)
		block, kind, flags = block[k:], http2.FrameContinuation, 0
	}
	s.frameIs = false
	c.flushLater()
}

// noteFrame remembers the stream's last frame, whose END_STREAM flag can be set for as long as it is in out.
func (s *Stream) noteFrame(at int) { s.frameAt, s.frameTurn, s.frameIs = at, s.conn.outTurn, true }

// maySend is dead for content, which follows a head, and which an interrupt stops.
func (s *Stream) maySend() error {
	switch err := s.dead(); {
	case err != nil:
		return err
	case s.state == http2.StateIdle:
		return engine.ErrClosed
	case s.IsInterrupted():
		return engine.ErrInterrupted
	}
	return nil
}

// Write sends content; it parks while there is no room for it.
func (s *Stream) Write(p []byte) (int, error) {
	if err := s.maySend(); err != nil {
		return 0, err
	}
	c := s.conn
	n := 0
	if len(c.waiting) == 0 {
		n = c.frameData(s, p)
	}
	if n == len(p) {
		return n, nil
	}
	s.pending = p[n:]
	c.wait(s)
	err := s.waitSent()
	n = len(p) - len(s.pending)
	s.pending = nil
	c.unwait(s)
	return n, err
}

// waitSent parks until pending is sent.
func (s *Stream) waitSent() error {
	for left := len(s.pending); left > 0; left = len(s.pending) {
		if err := s.waitTurn(); err != nil {
			return err
		}
		if len(s.pending) < left {
			s.Wrote()
		}
	}
	return nil
}

// waitTurn parks until it may be looked again, or says why nothing more can be sent.
func (s *Stream) waitTurn() error {
	switch {
	case s.err != nil:
		return s.err
	case s.conn.closing || !s.state.MaySend():
		return engine.ErrClosed
	}
	return s.WaitRoom()
}

// WriteBuffers sends both.
func (s *Stream) WriteBuffers(a, b []byte) (int, error) {
	n := 0
	for _, p := range [...][]byte{a, b} {
		if len(p) == 0 {
			continue
		}
		m, err := s.Write(p)
		if n += m; err != nil {
			return n, err
		}
	}
	return n, nil
}

// frameData puts as much of p into frames as there is room for, and says how much.
func (c *Conn) frameData(s *Stream, p []byte) (done int) {
	for done < len(p) {
		n := min(len(p)-done, s.send.Left(), c.sendWindow.Left())
		if n = min(n, c.left()); n == 0 {
			break
		}
		c.room(http2.HeaderLen + n) // for all of it, in which the headers of further frames seldom matter
		n = min(n, c.theirs.MaxFrame, http2.DefaultMaxFrame)
		s.noteFrame(len(c.out))
		c.out = http2.AppendHeader(c.out, n, http2.FrameData, 0, s.id)
		c.out = append(c.out, p[done:done+n]...)
		s.send.Take(n)
		c.sendWindow.Take(n)
		done += n
		s.served += int64(n)
		c.budget.EarnData()
	}
	if done > 0 {
		c.flushLater()
	}
	return done
}

// WriteEnd ends what is sent on the stream, with trailer lines or without.
func (s *Stream) WriteEnd(trailers []byte) error {
	if err := s.dead(); err != nil {
		return err
	}
	if s.state == http2.StateIdle {
		return engine.ErrClosed
	}
	c := s.conn
	s.state.On(http2.SendEnd)
	switch {
	case len(trailers) > 0:
		at := c.beginHead(len(trailers))
		c.out = http2.AppendFields(c.out, trailers)
		c.endHead(s, at, http2.FlagEndStream)
	case s.frameIs && s.frameTurn == c.outTurn && len(c.out) > 0:
		c.out[s.frameAt+4] |= http2.FlagEndStream
	default:
		c.room(http2.HeaderLen)
		c.out = http2.AppendHeader(c.out, 0, http2.FrameData, http2.FlagEndStream, s.id)
		c.flushLater()
	}
	if s.state == http2.StateClosed {
		c.forget(s)
	}
	return nil
}
