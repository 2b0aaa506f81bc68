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
	c.running++
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
	c.closeIfDone()
}

// past is how the latest streams ended, to tell what is late from what is wrong. Owned by their connection.
type past struct {
	ids  []uint32
	ours []bool // weir reset it: what was on its way is ignored
	next int    // the oldest
}

// pastLeast is how many a connection remembers at least; else it is twice as many as were open at once, which may all be reset together, as when clients leave.
const pastLeast = 32

func (c *Conn) note(s *Stream) { c.noteAs(s.id, s.wasReset) }

func (c *Conn) noteAs(id uint32, ours bool) {
	if c.past == nil {
		c.past = &past{}
	}
	p := c.past
	if n := max(pastLeast, 2*c.most); n > len(p.ids) {
		p.grow(max(n, 2*len(p.ids)))
	}
	p.ids[p.next], p.ours[p.next] = id, ours
	p.next = (p.next + 1) % len(p.ids)
}

// grow makes room for n in all.
func (p *past) grow(n int) {
	old := *p
	p.ids, p.ours, p.next = make([]uint32, n), make([]bool, n), len(old.ids)
	copy(p.ids[copy(p.ids, old.ids[old.next:]):], old.ids[:old.next])
	copy(p.ours[copy(p.ours, old.ours[old.next:]):], old.ours[:old.next])
}

// look says what is known of a stream that is not open.
func (p *past) look(id uint32) (known, ours bool) {
	if p == nil {
		return false, false
	}
	for i := range p.ids {
		if p.ids[i] == id {
			return true, p.ours[i]
		}
	}
	return false, false
}

// isIdle reports whether a stream has not been opened yet. Even ones, which a server would open, never are.
func (c *Conn) isIdle(id uint32) bool { return id%2 == 0 || id > c.last }

// late decides about a frame for a stream that is closed: nil ignores it.
func (c *Conn) late(h http2.Header) *http2.ConnError {
	known, ours := c.past.look(h.Stream)
	switch {
	case ours:
		return nil
	case c.toServer && !known: // weir has opened it, long ago
		return c.spend(http2.GlitchTiny)
	case h.Type == http2.FrameHeaders && !known:
		// RFC 9113 section 5.1.1: "The identifier of a newly established stream MUST be numerically greater than all streams that the
		// initiating endpoint has opened". It was never open.
		return &http2.ConnError{Code: http2.ProtocolError, Why: "stream_id_not_rising"}
	case known || h.Type == http2.FrameHeaders:
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
