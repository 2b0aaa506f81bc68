package transport

import "github.com/weir-proxy/weir/engine"

// Moved is an idle connection on its way from one loop's Conns to another's, with its place under the limit.
type Moved struct {
	moving     *engine.Moving
	requests   int
	generation uint64
	place      Places
}

// Part gives away the connection that has been idle longest; nil if none is idle, or if it cannot be moved and stays.
func (s *Conns) Part() *Moved {
	c := s.oldest()
	if c == nil || !engine.CanPass(c.Conn) || !c.Conn.Reclaim() {
		return nil
	}
	moving := engine.Leave(c.Conn)
	if moving == nil {
		c.Conn.Await(c)
		return nil
	}
	s.unlink(c)
	c.closed = true
	s.Open--
	return &Moved{moving, c.Requests, c.generation, c.place}
}

// Join takes a connection that another loop has given away, for a request. It keeps its place, and gives it back if it is lost.
func (s *Conns) Join(m *Moved) (*Conn, error) {
	ec, err := s.loop.Settle(m.moving)
	if err != nil {
		if m.place != nil {
			m.place.Give()
		}
		return nil, err
	}
	s.Open++
	s.Reused++
	return &Conn{Conn: ec, home: s, Requests: m.requests + 1, Reused: true, generation: m.generation, place: m.place}, nil
}
