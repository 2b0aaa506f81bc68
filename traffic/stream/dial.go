package stream

import (
	"time"

	"github.com/weir-proxy/weir/wire/http2"
	"github.com/weir-proxy/weir/wire/message"
)

// answer is a head that a server has sent: an interim one, or the final one.
type answer struct {
	head     []byte // a loop's buffer
	n        int
	response message.Response
}

// interimsWaiting bounds the interim responses that wait for an exchange whose client does not take them. Further ones are dropped: they only announce what is to come.
const interimsWaiting = 16

// lastStream is the highest identifier that weir uses on a connection; another one is opened then. RFC 9113 section 5.1.1: "A client that is unable to establish a
// new stream identifier can establish a new connection for new streams."
const lastStream = 1<<31 - 3

// HasRoom reports whether another stream can be opened.
func (c *Conn) HasRoom() bool {
	return !c.leaving && !c.closing && c.last < lastStream && len(c.streams) < int(min(c.theirs.MaxStreams, 1<<16))
}

// CanConnect reports whether the server understands extended CONNECT. It waits for the server to say so, at most d. RFC 8441 section 3: "a client MUST NOT use" it before.
func (s *Stream) CanConnect(d time.Duration) bool {
	c := s.conn
	for by := c.loop.Now() + d.Milliseconds(); !c.hasSettings && s.err == nil; {
		c.asking = append(c.asking, s)
		if s.WaitArrivalBy(by) != nil {
			break
		}
	}
	return c.theirs.Connect
}

// MaxStreams is how many streams the server allows; 0 if it has not spoken.
func (c *Conn) MaxStreams() uint32 {
	if !c.hasSettings {
		return 0
	}
	return c.theirs.MaxStreams
}

// Served is the number of streams that were opened so far.
func (c *Conn) Served() int { return c.served }

// Open opens a stream to the server, which HasRoom has said is possible.
func (c *Conn) Open() *Stream {
	if c.last == 0 {
		c.last = 1
	} else {
		c.last += 2
	}
	s := c.newStream(c.last)
	c.add(s)
	return s
}

// WriteRequest sends the head of a request in the form of HTTP/1.1, Host first, up to the empty line or the end. It does not wait, and borrows head.
func (s *Stream) WriteRequest(head []byte, method message.Method, t http2.Target, _ bool) (int, error) {
	if err := s.dead(); err != nil {
		return 0, err
	}
	c := s.conn
	s.method, s.tunnel = method, t.Protocol != ""
	s.state.On(http2.SendHeaders)
	at := c.beginHead(len(head))
	c.out = http2.AppendRequest(c.out, head, t)
	c.endHead(s, at, 0)
	return len(head), nil
}

// takeResponse keeps a head that the layout has made, and says what is wrong with it.
func (s *Stream) takeResponse(ends bool) (malformed string) {
	var a answer
	r := &a.response
	l := s.conn.layout
	if malformed = l.Response(r, s.method); malformed != "" {
		return malformed
	}
	if isFinal := r.Status >= 200; isFinal {
		s.hasHead = true
		s.tunnel = s.tunnel && r.Status/100 == 2
		if s.length, malformed = http2.FrameResponse(r, s.method, ends); malformed != "" {
			return malformed
		}
	} else if ends {
		return "bad_interim_response"
	} else if !s.interims.Take(len(l.Buf), s.conn.loop.Now()) {
		s.conn.Leave(http2.EnhanceYourCalm) // a server that goes on with them would have every further request wait behind
		return "bad_interim_response"
	} else if len(s.answers) >= interimsWaiting {
		return ""
	}
	a.head = s.conn.loop.Buffer(len(l.Buf))
	a.n = copy(a.head, l.Buf)
	r.Buf = a.head
	s.answers = append(s.answers, a)
	s.Arrive()
	return ""
}

// ReadHead waits for the next head of the server's, interim or final, and fills r, whose spans point into in. Content of a final answer that has come along is behind the head. n is how
// much was received.
func (s *Stream) ReadHead(r *message.Response, in *message.Piece) (n int, err error) {
	for len(s.answers) == 0 {
		if s.err != nil {
			return 0, s.err
		}
		if err := s.WaitArrival(); err != nil {
			return 0, err
		}
	}
	a := s.answers[0]
	s.answers = append(s.answers[:0], s.answers[1:]...)
	list := append(r.List[:0], a.response.List...)
	*r = a.response
	r.List = list
	l := s.conn.loop
	in.Buf = l.Room(in.Buf, message.Room+a.n+message.Room)
	in.Put(a.head[:a.n])
	r.Buf = in.Bytes()
	l.Release(a.head)
	if r.Status >= 200 {
		in.AddArrived(s.Arrived)
	}
	return in.End - in.From, nil
}
