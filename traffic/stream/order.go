package stream

import "slices"

// Streams that have more to send than there is room for take turns, by what RFC 9218 says of priorities. A less urgent one gets what the more urgent ones cannot
// use.

// turnOf is how much a stream may send before another of its urgency has its turn: the size of a frame where all parts are of use at once, and where
// they are not, so much that most answers are through, and that one without an end cannot stop the others.
const (
	turnIncremental = 14 // bits
	turnWhole       = 20
)

// wait puts s among those that wait; nobody is ahead of it for what it was given before.
func (c *Conn) wait(s *Stream) {
	s.served = c.least()
	c.waiting = append(c.waiting, s)
	c.flushLater()
}

// least is what the one that is furthest behind has been given.
func (c *Conn) least() int64 {
	if len(c.waiting) == 0 {
		return 0
	}
	n := c.waiting[0].served
	for _, w := range c.waiting[1:] {
		n = min(n, w.served)
	}
	return n
}

func (c *Conn) unwait(s *Stream) {
	if i := slices.Index(c.waiting, s); i >= 0 {
		c.waiting = slices.Delete(c.waiting, i, i+1)
	}
}

// fill takes content of the streams that wait into out, and wakes those that have none left.
func (c *Conn) fill() {
	for len(c.waiting) > 0 && c.left() > 0 && c.sendWindow.Left() > 0 {
		c.room(c.left())
		s := c.choose()
		if s == nil {
			return
		}
		var more bool
		if s.source.conn != nil {
			more = c.drawTurn(s)
		} else {
			n := c.frameData(s, s.pending[:min(len(s.pending), 1<<turnIncremental)])
			s.pending = s.pending[n:]
			more = len(s.pending) > 0
		}
		if !more {
			c.unwait(s)
			s.MakeRoom()
		}
	}
}

// choose is whose turn it is; nil if no stream's window is open.
func (c *Conn) choose() (best *Stream) {
	for _, s := range c.waiting {
		if s.send.Left() > 0 && (best == nil || s.isBefore(best)) {
			best = s
		}
	}
	return best
}

// isBefore: RFC 9218 section 10: "It is RECOMMENDED that, when possible, servers respect the urgency parameter", and that "non-incremental responses of
// the same urgency be served by prioritizing bandwidth allocation in ascending order of the stream ID". Where the client has said nothing, every answer is
// as incremental as any.
func (s *Stream) isBefore(t *Stream) bool {
	if s.priority.Urgency != t.priority.Urgency {
		return s.priority.Urgency < t.priority.Urgency
	}
	if a, b := s.turn(), t.turn(); a != b {
		return a < b
	}
	return s.id < t.id
}

func (s *Stream) turn() int64 {
	if s.hasPriority && !s.priority.Incremental {
		return s.served >> turnWhole << (turnWhole - turnIncremental)
	}
	return s.served >> turnIncremental
}
