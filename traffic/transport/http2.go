package transport

import (
	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/traffic/stream"
	"github.com/weir-proxy/weir/wire/http2"
)

// http2Conn is a shared connection of HTTP/2.
type http2Conn struct {
	*stream.Conn
	of *shared
}

// protocol is what was chosen in a TLS handshake.
type protocol interface{ Protocol() string }

// isHTTP2 reports whether HTTP/2 is spoken on a connection that has been opened.
func isHTTP2(c engine.Conn, config *Config) bool {
	if config.Version == H2C {
		return true
	}
	p, ok := c.(protocol)
	return ok && p.Protocol() == "h2"
}

// shareHTTP2 takes a new connection of HTTP/2.
func (s *Conns) shareHTTP2(ec engine.Conn, config *Config, name string) *Conn {
	h := s.newShared(config, name)
	c := &http2Conn{of: h}
	c.Conn = stream.Connect(ec, config.Streams, c, s.streams)
	h.conn = c
	return s.share(h)
}

// Begin opens a stream, if the server allows another one.
func (c *http2Conn) Begin() Stream {
	if most := c.MaxStreams(); most > 0 {
		c.of.home.streams = most
	}
	if !c.HasRoom() {
		return nil
	}
	return c.Conn.Open()
}

// Open refuses a stream that a server has opened.
func (c *http2Conn) Open(s *stream.Stream) { s.Done(http2.RefusedStream) }

// Ended takes the connection out of use.
func (c *http2Conn) Ended(*stream.Conn) { c.of.ended() }
