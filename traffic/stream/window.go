package stream

import "github.com/weir-proxy/weir/wire/http2"

// The windows of what weir receives (RFC 9113 section 5.2) follow bandwidth times delay: a window holds what arrives in farthest, the longest round trip for which it does
// not slow a peer down. A stream's begins small and grows while its reader keeps up; the connection's grows with them. Neither grows while the loop holds much for its
// peers.
const (
	windowStart = 64 << 10
	windowMost  = 16 << 20
	connStart   = 1 << 20
	connMost    = 32 << 20
	farthest    = 200 // ms
)

// openConnWindow makes the window of the connection larger than the standard has it at first.
func (c *Conn) openConnWindow() {
	c.out = http2.AppendWindowUpdate(c.out, 0, connStart-http2.DefaultWindow)
	c.flushLater()
}

// giveRoom opens the connection's window again when enough of it is used up. While little is held it is opened for what was received, so that a stream that nobody
// reads does not stop the others; else for what was read.
func (c *Conn) giveRoom() {
	window := c.window
	if window > connStart && c.loop.IsCrowded() {
		window = connStart
	}
	room := window - c.recvWindow.Left()
	if c.held >= window/2 {
		room -= c.held
	}
	if room < window/4 || c.closing {
		return
	}
	c.recvWindow.Add(room)
	c.room(13)
	c.out = http2.AppendWindowUpdate(c.out, 0, room)
	c.flushLater()
}

// wasRead opens the windows again.
func (s *Stream) wasRead(n int) {
	c := s.conn
	c.held -= n
	c.giveRoom()
	s.unread += n
	s.read += n
	if s.unread < s.window/2 || !s.state.MayReceive() {
		return
	}
	s.widen()
	s.giveRoom(0)
}

// widen makes the stream's window larger, at most twice as large, if it is less than what arrives in farthest and the reader keeps up with that.
func (s *Stream) widen() {
	now := s.conn.loop.Now()
	wanted := min(int(int64(s.read)*farthest/max(1, now-s.measured)), windowMost, 2*s.window)
	s.read, s.measured = 0, now
	if wanted <= s.window || s.queued > s.window/4 || s.conn.loop.IsCrowded() {
		return
	}
	s.unread += wanted - s.window
	s.window = wanted
	s.conn.learned = max(s.conn.learned, wanted)
	s.conn.window = max(s.conn.window, min(2*wanted, connMost))
}

// openWide gives a new stream its part of the window that another has needed before on the connection, or each upload would begin slowly.
func (s *Stream) openWide() {
	c := s.conn
	if c.learned <= windowStart || c.loop.IsCrowded() {
		return
	}
	if wide := c.learned / len(c.streams); wide > s.window {
		s.unread += wide - s.window
		s.window = wide
		s.giveRoom(0)
	}
}

// giveRoom opens the stream's window by what was read, and n more.
func (s *Stream) giveRoom(n int) {
	s.unread += n
	if s.unread == 0 || !s.state.MayReceive() || s.conn.closing {
		return
	}
	s.recv.Add(s.unread)
	c := s.conn
	c.room(13)
	c.out = http2.AppendWindowUpdate(c.out, s.id, s.unread)
	s.unread = 0
	c.flushLater()
}
