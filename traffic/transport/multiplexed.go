package transport

import (
	"errors"
	"os"
	"slices"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/traffic/http1"
	"github.com/weir-proxy/weir/wire/http2"
	"github.com/weir-proxy/weir/wire/message"
)

// Version is the version of HTTP that servers are spoken to in.
type Version uint8

const (
	HTTP1 Version = iota // one exchange at a time on a connection
	HTTP2                // by TLS
	H2C                  // HTTP/2 in clear, which servers are known to speak
	Auto                 // what servers choose in the TLS handshake; without TLS: HTTP1
	HTTP3                // over QUIC
)

// Protocols are offered in a TLS handshake, the best first.
func (v Version) Protocols() []string {
	switch v {
	case HTTP2:
		return []string{"h2"}
	case Auto:
		return []string{"h2", "http/1.1"}
	case HTTP3:
		return []string{"h3"}
	}
	return []string{"http/1.1"}
}

// Stream is the server's side of an exchange, whatever the version of HTTP. As an engine.Conn it is the content alone; heads have the form of HTTP/1.1. What in a head frames the message, or
// belongs to the connection, is left out by the versions that have other ways to say it. Codes are those of HTTP/2; another version has the same by other numbers.
type Stream interface {
	engine.Conn
	// WriteRequest takes the head of a request, Host first, up to the empty line or the end; open says that it does not tell how long the content is. It does not wait; the head is borrowed until
	// Send, which must follow. n is how much was sent already.
	WriteRequest(head []byte, method message.Method, t http2.Target, open bool) (n int, err error)
	// Send sends content, which may be none, and the end of the request if the piece says so, with trailer lines if there are any. It may write into the room around the content.
	Send(p message.Piece, trailers []byte) (int, error)
	// SendFile sends n bytes of content from a file. It reports how many were sent.
	SendFile(w *engine.Workers, f *os.File, offset, n int64) (int64, error)
	// BareOut is the connection on which content may be sent past Send, as by the kernel; nil: there is none.
	BareOut() engine.Conn
	// ReadHead waits for the server's next head, interim or final, and fills r, whose spans point into in. Content of a final answer that has come along is behind the head. in is empty or what the last
	// call made of it, which is dealt with; its buffer is one of the loop's. n is how much was received. The error is http2.ErrRefused where the server has done nothing with the request, and a
	// *http1.Fault where its answer is malformed. Where it is engine.ErrTimeout, another call goes on.
	ReadHead(r *message.Response, in *message.Piece) (n int, err error)
	// Around is how many bytes were read besides content since it was asked last, as far as they are counted: framing, trailers.
	Around() int
	// Ended reports whether all of the content has been read: the next Read would return io.EOF.
	Ended() bool
	// Trailers are the lines that followed the content, once that has ended.
	Trailers() []byte
	// BareIn is the connection whose next n bytes are content alone, for the kernel to move it, or nil and 0. Skip says how many bytes were taken from there.
	BareIn() (c engine.Conn, n int64)
	Skip(n int64)
	// IsClean reports whether the connection can carry another exchange after this one.
	IsClean() bool
	// CanConnect reports whether the server understands extended CONNECT. It waits for the server to say so, at most d.
	CanConnect(d time.Duration) bool
	// Done ends the use of the stream; what is incomplete is reset with code.
	Done(code http2.Code)
}

// Use gives c the face of a stream for an exchange: own, which the caller provides, unless c is one of many on a connection and has one.
func (c *Conn) Use(own *http1.Server) {
	if c.lease == nil {
		own.Bind(c.Conn)
		c.Stream = own
	}
}

// IsShared reports whether c is one of many exchanges on a connection.
func (c *Conn) IsShared() bool { return c.lease != nil }

// MakePrivate has c belong to one client for good. One of many on a connection cannot.
func (c *Conn) MakePrivate() { c.Private = c.lease == nil }

// carrier is a connection that carries many exchanges.
type carrier interface {
	// Begin opens a stream; nil: there is no room for another one.
	Begin() Stream
	// Running is the number of streams in use, Served that of all there were.
	Running() int
	Served() int
	// Leave closes the connection when the last stream has ended, and has none opened.
	Leave(code http2.Code)
}

// shared is a connection that carries many exchanges. Owned by its loop.
type shared struct {
	home   *Conns
	name   string // that TLS has asked for, with Config.ByName
	conn   carrier
	config *Config
	place  Places
	most   int // exchanges that it may carry in all; 0: no limit
}

// lease is the use of a shared connection by one exchange. It is used again, with the Conn in it.
type lease struct {
	conn Conn
	of   *shared
}

// newShared makes the place for a connection of which conn is said before anybody looks.
func (s *Conns) newShared(config *Config, name string) *shared {
	return &shared{home: s, name: name, config: config, most: config.MaxRequests}
}

// share takes a new connection that carries many exchanges, and leases it for the first of them; nil if it has no room for one.
func (s *Conns) share(h *shared) *Conn {
	s.shared = append(s.shared, h)
	s.Idle++
	c := h.lease()
	if h.config.Generation < s.generation {
		h.conn.Leave(http2.NoError) // for this one exchange, which began before
	}
	return c
}

// ended takes the connection out of use.
func (h *shared) ended() {
	s := h.home
	if i := slices.Index(s.shared, h); i >= 0 {
		s.shared = slices.Delete(s.shared, i, i+1)
		if h.conn.Running() == 0 {
			s.Idle--
		}
	}
	s.Open--
	if h.place != nil {
		h.place.Give()
	}
}

// lease finds a shared connection with room; nil if there is none. The oldest comes first, so that few are needed.
func (s *Conns) lease(name string) *Conn {
	for _, h := range s.shared {
		if h.name != name {
			continue
		}
		if h.most > 0 && h.conn.Served() >= h.most {
			continue
		}
		if c := h.lease(); c != nil {
			return c
		}
	}
	return nil
}

func (h *shared) lease() *Conn {
	s := h.home
	wasIdle := h.conn.Running() == 0
	st := h.conn.Begin()
	if st == nil {
		return nil
	}
	if wasIdle {
		s.Idle--
	}
	var l *lease
	if n := len(s.freed); n > 0 {
		l, s.freed = s.freed[n-1], s.freed[:n-1]
	} else {
		l = &lease{}
	}
	l.of = h
	l.conn = Conn{Conn: st, Stream: st, home: s, lease: l, Requests: h.conn.Served(), Reused: h.conn.Served() > 1}
	return &l.conn
}

// leasesKept bounds the leases that are kept to be used again.
const leasesKept = 256

// end gives the connection back. What is incomplete is cancelled.
func (l *lease) end() {
	h := l.of
	s := h.home
	l.conn.Stream.Done(http2.Cancel)
	if h.conn.Running() == 0 && slices.Contains(s.shared, h) {
		s.Idle++
		if h.most > 0 && h.conn.Served() >= h.most {
			h.conn.Leave(http2.NoError)
		}
	}
	l.conn.Stream, l.conn.Conn = nil, nil
	if len(s.freed) < leasesKept {
		s.freed = append(s.freed, l)
	}
}

// takePlace notes whose place a connection has until it is closed.
func (c *Conn) takePlace(p Places) {
	if c.lease != nil {
		c.lease.of.place = p
		return
	}
	c.place = p
}

// opening is a connection on its way that many wait for. Without it, a hundred requests that come at once to a server without a connection would open a
// hundred.
type opening struct {
	waiting []*engine.Signal
}

// dialShared takes room on a connection that others have opened meanwhile, or opens one.
func (s *Conns) dialShared(config *Config, d Dialing) (*Conn, error) {
	if s.refused {
		return s.dialInRamp(config, d)
	}
	by := s.loop.Now() + connectTime(d.Connect, config).Milliseconds()
	for s.opening != nil {
		left := by - s.loop.Now()
		if left <= 0 {
			return nil, engine.ErrTimeout
		}
		var opened engine.Signal
		s.opening.waiting = append(s.opening.waiting, &opened)
		d.Cancel.waitsOn(s.loop, &opened)
		s.loop.Wait(&opened, time.Duration(left)*time.Millisecond)
		d.Cancel.waitsOn(nil, nil)
		if d.Cancel.IsCalled() {
			return nil, engine.ErrInterrupted
		}
		if c := s.lease(d.Asked); c != nil {
			return c, nil
		}
	}
	o := &opening{}
	s.opening = o
	d.Cancel.opens(o)
	defer func() {
		s.opening = nil
		for _, w := range o.waiting {
			s.loop.Fire(w)
		}
	}()
	c, err := s.dialOwn(config, d)
	switch {
	case c == nil || c.lease != nil:
	case config.Version == HTTP2:
		c.Close()
		return nil, &TLSError{errNoHTTP2}
	default:
		s.refused = true
	}
	return c, err
}

var errNoHTTP2 = errors.New("the server does not choose HTTP/2")

// connectTime is how long a connection may take to stand.
func connectTime(connect time.Duration, config *Config) time.Duration {
	switch {
	case connect > 0:
		return connect
	case config.Connect > 0:
		return config.Connect
	}
	return DefaultConnect
}
