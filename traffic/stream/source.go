package stream

import (
	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/wire/http2"
)

// source is a connection from which content goes into frames without a buffer between. Nobody else reads it meanwhile.
type source struct {
	conn engine.Conn // nil: none
	left int
	sent int
}

// SendFrom sends content that has arrived at conn, most bytes at most, and reports how much; it parks while there is no room for it. 0 without an error says
// to read and Write it instead: nothing has arrived that can be taken so.
func (s *Stream) SendFrom(conn engine.Conn, most int) (int, error) {
	err := s.maySend()
	if err != nil {
		return 0, err
	}
	c := s.conn
	s.source = source{conn: conn, left: most}
	goesOn := len(c.waiting) > 0 || c.draw(s, most)
	if goesOn && engine.MayReadNow(conn) {
		c.wait(s)
		err = s.waitDrawn()
		c.unwait(s)
	}
	sent := s.source.sent
	s.source = source{}
	return sent, err
}

// waitDrawn parks until the source has nothing more, or nothing more may be sent.
func (s *Stream) waitDrawn() error {
	for left := s.source.left; left > 0 && s.source.conn != nil; left = s.source.left {
		if err := s.waitTurn(); err != nil {
			return err
		}
		if s.source.left < left {
			s.Wrote()
		}
	}
	return nil
}

// drawTurn is one turn of a stream that has a source, and reports whether it wants another.
func (c *Conn) drawTurn(s *Stream) bool {
	most := s.source.left
	if s.hasPriority && s.priority.Incremental && len(c.waiting) > 1 {
		most = min(most, 1<<turnIncremental)
	}
	if c.draw(s, most) {
		return true
	}
	s.source.conn = nil
	return false
}

// draw takes from the source as much as there is room for, most bytes at most, and reports whether there may be more.
func (c *Conn) draw(s *Stream, most int) bool {
	n, hasRoom := c.frameFrom(s, s.source.conn, most)
	s.source.sent += n
	s.source.left -= n
	return s.source.left > 0 && (n > 0 || !hasRoom)
}

// frameFrom puts content that has arrived at conn into frames; hasRoom says whether it was looked for.
func (c *Conn) frameFrom(s *Stream, conn engine.Conn, most int) (n int, hasRoom bool) {
	size := min(c.theirs.MaxFrame, http2.DefaultMaxFrame)
	left := c.left()
	left -= left / size * http2.HeaderLen // it has counted one header
	room := min(most, s.send.Left(), c.sendWindow.Left(), left, engine.PartsMost*size)
	if room <= 0 {
		return 0, false
	}
	if !engine.MayReadNow(conn) {
		return 0, true
	}
	frames := (room + size - 1) / size
	c.room(room + frames*http2.HeaderLen)
	var parts [engine.PartsMost][]byte
	free := c.out[len(c.out):cap(c.out)]
	for i := range frames {
		at := i*(size+http2.HeaderLen) + http2.HeaderLen
		parts[i] = free[at:min(at+size, room+frames*http2.HeaderLen)]
	}
	n = engine.ReadNow(conn, parts[:frames])
	for framed := 0; framed < n; {
		k := min(n-framed, size)
		s.noteFrame(len(c.out))
		c.out = http2.AppendHeader(c.out, k, http2.FrameData, 0, s.id)
		c.out = c.out[:len(c.out)+k]
		c.budget.EarnData()
		framed += k
	}
	switch {
	case n > 0:
		s.send.Take(n)
		c.sendWindow.Take(n)
		s.served += int64(n)
		c.flushLater()
	case len(c.out) == 0:
		c.dropOut()
	}
	return n, true
}
