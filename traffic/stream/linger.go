package stream

import (
	"time"

	"github.com/weir-proxy/weir/wire/http2"
)

// restFor is how long the rest of a request may come after a complete response. RFC 9113 section 8.1: "A server MAY … request that the client abort transmission of a
// request without error by sending a RST_STREAM with an error code of NO_ERROR after sending a complete response … Clients MUST NOT discard responses as a result of
// receiving such a RST_STREAM". Some do, when both come in one piece (curl 7.88 and others with the nghttp2 of their time): the reset waits until they have the response.
const restFor = 500 * time.Millisecond

// linger has the stream's client end its request, or be told after restFor that nobody wants the rest. What comes meanwhile is dropped, and the stream's window stays
// as it is: that bounds it. A stream that lingers counts among those that the client may have.
func (s *Stream) linger() {
	c := s.conn
	if c.closing {
		s.reset(http2.NoError)
		return
	}
	s.lingers = c.loop.Now() + restFor.Milliseconds()
	c.lingering = append(c.lingering, s)
	if len(c.lingering) == 1 {
		c.patience.Set(c.loop, restFor, (*impatient)(c))
	}
}

// endLingering takes the end of a request that lingers.
func (c *Conn) endLingering(d *content) {
	if s := c.find(d.stream); d.ends && s != nil && s.lingers != 0 {
		s.endReceive()
	}
}

// impatient is a connection with streams that have lingered long enough.
type impatient Conn

// Run resets them.
func (i *impatient) Run() {
	c := (*Conn)(i)
	for len(c.lingering) > 0 && !c.ended {
		s := c.lingering[0]
		if left := s.lingers - c.loop.Now(); left > 0 {
			c.patience.Set(c.loop, time.Duration(left)*time.Millisecond, i)
			return
		}
		c.lingering[0] = nil
		c.lingering = c.lingering[1:]
		s.reset(http2.NoError)
		c.closeIfDone()
	}
	c.lingering = nil
}
