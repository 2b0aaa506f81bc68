package stream

import "github.com/weir-proxy/weir/wire/http2"

// find returns the stream of that id, nil if it is not open. The latest is looked at first.
func (c *Conn) find(id uint32) *Stream {
	for i := len(c.ids) - 1; i >= 0; i-- {
		if c.ids[i] == id {
			return c.streams[i]
		}
	}
	return nil
}

func (c *Conn) add(s *Stream) {
	c.ids = append(c.ids, s.id)
	c.streams = append(c.streams, s)
	c.asksMore = true
	if c.running++; c.running == 1 {
		c.quietSince = c.loop.Now()
	}
	c.served++
	c.most = max(c.most, len(c.ids))
}

// forget takes a closed stream out of the table.
func (c *Conn) forget(s *Stream) {
	for i, id := range c.ids {
		if id != s.id {
			continue
		}
		last := len(c.ids) - 1
		c.ids[i], c.streams[i] = c.ids[last], c.streams[last]
		c.streams[last] = nil
		c.ids, c.streams = c.ids[:last], c.streams[:last]
		c.note(s)
		break
	}
	c.streamEnded()
}

// past is how the latest streams ended, to tell what is late from what is wrong. Owned by their connection.
type past struct {
	streams []closed
	next    int // the oldest
}

// closed is a stream that has ended.
type closed struct {
	id    uint32
	room  int32 // how much content its peer may still have sent
	heads uint8 // that have come since
	ours  bool  // weir reset it: what was on its way is ignored
}

// pastLeast is how many a connection remembers at least; else it is twice as many as were open at once, which may all be reset together, as when clients leave.
const pastLeast = 32

func (c *Conn) note(s *Stream) {
	c.noteAs(closed{id: s.id, room: int32(s.recv.Left()), ours: s.wasReset})
}

// noteRefused notes a stream that was reset instead of opened.
func (c *Conn) noteRefused(id uint32) { c.noteAs(closed{id: id, room: windowStart, ours: true}) }

func (c *Conn) noteAs(s closed) {
	if c.past == nil {
		c.past = &past{}
	}
	p := c.past
	if n := max(pastLeast, 2*c.most); n > len(p.streams) {
		p.grow(max(n, 2*len(p.streams)))
	}
	p.streams[p.next] = s
	p.next = (p.next + 1) % len(p.streams)
}

// grow makes room for n in all.
func (p *past) grow(n int) {
	old := *p
	p.streams, p.next = make([]closed, n), len(old.streams)
	copy(p.streams[copy(p.streams, old.streams[old.next:]):], old.streams[:old.next])
}

// look finds a stream that is not open; nil if nothing is known of it.
func (p *past) look(id uint32) *closed {
	if p == nil {
		return nil
	}
	for i := range p.streams {
		if p.streams[i].id == id {
			return &p.streams[i]
		}
	}
	return nil
}

// lateHeads is how many heads may have been on their way when a stream was reset: an interim one, that of the response, and trailers.
const lateHeads = 3

// bears reports whether a frame may have been on its way when weir reset the stream. Behind the end of the stream nothing was.
func (s *closed) bears(h http2.Header) bool {
	borne := true
	switch h.Type {
	case http2.FrameHeaders:
		borne = s.heads < lateHeads
		s.heads = min(s.heads+1, lateHeads)
	case http2.FrameData:
		if borne = s.room >= int32(h.Length); borne {
			s.room -= int32(h.Length)
		}
	}
	if h.Flags&http2.FlagEndStream != 0 {
		s.room, s.heads = nothing, lateHeads
	}
	return borne
}

// nothing is the room of a stream whose peer has ended it: less than an empty frame takes.
const nothing = -1

// isIdle reports whether a stream has not been opened yet. Even ones, which a server would open, never are.
func (c *Conn) isIdle(id uint32) bool { return id%2 == 0 || id > c.last }

// late decides about a frame for a stream that is closed: nil ignores it. Of one that weir has reset, what goes beyond what may have been on its way costs.
func (c *Conn) late(h http2.Header) *http2.ConnError {
	s := c.past.look(h.Stream)
	switch {
	case s != nil && s.ours:
		if s.bears(h) {
			return nil
		}
		return c.spend(http2.GlitchLate)
	case c.toServer && s == nil: // weir has opened it, long ago
		if h.Type == http2.FrameHeaders {
			return c.spend(http2.GlitchLate)
		}
		return c.spend(http2.GlitchTiny)
	case h.Type == http2.FrameHeaders && s == nil:
		// RFC 9113 section 5.1.1: "The identifier of a newly established stream MUST be numerically greater than all streams that the
		// initiating endpoint has opened". It was never open.
		return &http2.ConnError{Code: http2.ProtocolError, Why: "stream_id_not_rising"}
	case s != nil:
		// Section 5.1: frames after END_STREAM are "a connection error (Section 5.4.1) of type STREAM_CLOSED".
		return &http2.ConnError{Code: http2.StreamClosed, Why: h.Type.String() + "_when_closed"}
	}
	if err := c.spend(http2.GlitchResetCaused); err != nil {
		return err
	}
	c.room(13)
	c.out = http2.AppendRST(c.out, h.Stream, http2.StreamClosed)
	c.flushLater()
	return nil
}
