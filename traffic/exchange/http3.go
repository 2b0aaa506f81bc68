package exchange

import (
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/traffic/quic"
	"github.com/weir-proxy/weir/wire/http3"
)

// http3Client is a client's connection of HTTP/3 with its exchanges. Owned by its loop.
type http3Client struct{ streams *Streams }

// Open begins the exchange of a stream.
func (c *http3Client) Open(s *quic.Stream) { c.streams.Open(s) }

// Ended settles the connection. One that was ended because of what the client has done is told of, though it is no exchange.
func (c *http3Client) Ended(conn *quic.Conn) {
	switch code, why := conn.Fault(); code {
	case http3.NoError, http3.InternalError:
	case http3.ExcessiveLoad:
		c.streams.blame(reason.ClientFlood, why)
	default:
		c.streams.blame(reason.ClientProtocol, why)
	}
	c.streams.End()
}

// AcceptHTTP3 takes a new connection of HTTP/3, and reports whether there is room for it; its own goroutine serves it then. On its loop.
func (h *HTTP) AcceptHTTP3(c *quic.Conn, handshake *filter.Handshake) bool {
	p, setup := h.driver.loops[c.Ends().Loop().Index], h.setup.Load()
	if h.isFull(p, setup) {
		h.makeRoom(p, setup.MaxClients)
	}
	if h.isFull(p, setup) {
		c.Refuse()
		return false
	}
	client := &http3Client{streams: h.NewStreams(3, c.Ends(), handshake, c)}
	c.Begin(client)
	return true
}
