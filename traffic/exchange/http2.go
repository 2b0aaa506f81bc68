package exchange

import (
	"errors"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/traffic/stream"
	"github.com/weir-proxy/weir/wire/http2"
	"github.com/weir-proxy/weir/wire/proxyproto"
)

// http2Client is a client's connection of HTTP/2 with its exchanges. Owned by its loop.
type http2Client struct {
	streams *Streams
	conn    *stream.Conn
}

// Open begins the exchange of a stream. It is a request, so that what a reload has changed holds from here on.
func (c *http2Client) Open(s *stream.Stream) {
	if config := c.streams.session.http.setup.Load().Streams; config != nil {
		c.conn.Configure(config)
	}
	c.streams.Open(s)
}

// Ended settles the connection. One that was ended because of what the client has done is told of, though it is no exchange.
func (c *http2Client) Ended(conn *stream.Conn) {
	var fault *http2.ConnError
	if errors.As(conn.Err(), &fault) {
		why := reason.ClientProtocol
		if fault.Code == http2.EnhanceYourCalm {
			why = reason.ClientFlood
		}
		c.streams.blame(why, fault.Why)
	}
	c.streams.End()
}

// ServeHTTP2 takes a new connection on which HTTP/2 is spoken: TLS, of which handshake tells, has said so, or what was
// read of it, which begun is; told is what another proxy has told.
func (h *HTTP) ServeHTTP2(c engine.Conn, handshake *filter.Handshake, told proxyproto.TLVs, begun []byte) {
	setup := h.setup.Load()
	if !h.hasRoom(c, setup) {
		c.SetWriteTimeout(time.Second)
		c.Write(http2.AppendGoAway(http2.AppendSettings(nil), 0, http2.RefusedStream, "connections"))
		lingerClose(c)
		c.Close()
		return
	}
	if setup.Streams == nil { // since a reload, which came in the middle of the handshake
		c.SetWriteTimeout(time.Second)
		c.Write(http2.AppendGoAway(http2.AppendSettings(nil), 0, http2.NoError, "not_spoken"))
		lingerClose(c)
		c.Close()
		return
	}
	client := &http2Client{}
	client.conn = stream.Accept(c, setup.Streams, client, begun)
	client.streams = h.NewStreams(2, c, handshake, client.conn)
	client.streams.session.told = kept(told)
	defer func() {
		if r := recover(); r != nil {
			client.conn.Panicked()
			panic(r) // the loop reports the stack
		}
	}()
	client.conn.Serve(c)
}

// hasRoom reports whether the listener may have another connection. One that is full ends spare ones first, and lets their coroutines go on. From a coroutine.
func (h *HTTP) hasRoom(c engine.Conn, setup *Setup) bool {
	p := h.driver.loops[c.Loop().Index]
	if h.isFull(p, setup) && h.makeRoom(p, setup.MaxClients) {
		p.loop.Yield()
	}
	return !h.isFull(p, setup)
}

func (h *HTTP) isFull(p *perLoop, setup *Setup) bool {
	return setup.MaxClients > 0 && h.counts[p.loop.Index].n >= int64(setup.MaxClients)
}

// startsHTTP2 reports whether a connection whose first bytes are no HTTP/1.1 begins as one of HTTP/2 does that was not agreed on (RFC 9113 section 3.3,
// prior knowledge). By TLS it is agreed on, or not spoken.
func (x *Exchange) startsHTTP2() bool {
	s := x.session
	n := min(x.request.inLen, len(http2.Preface))
	return x.setup.Streams != nil && x.setup.ClearHTTP2 && s.requests == 0 && !s.secure && s.shadow == nil && string(x.request.in[:n]) == http2.Preface[:n]
}

// toHTTP2 ends the session, which has seen no request, and begins again with what it has read.
func (s *session) toHTTP2(c engine.Conn, begun []byte) {
	h := s.http
	s.at.Stats.Accepted--
	s.end()
	h.ServeHTTP2(c, nil, s.tlvs(), begun)
}
