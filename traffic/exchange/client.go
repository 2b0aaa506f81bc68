package exchange

import (
	"net/netip"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/traffic/http1"
	"github.com/weir-proxy/weir/wire/http2"
)

// clientState is who asks, and the client's side of the messages.
type clientState struct {
	conn   engine.Conn
	stream Stream
	lone   http1.Client // stream, where the client speaks HTTP/1.1
	ip     netip.Addr
	told   filter.Told // what is known of the client, by a trusted proxy if there is one

	ahead    []byte // the next request's first bytes, where they did not fit into request.in; nil
	aheadLen int
	surplus  func(b []byte) // takes what follows the content

	finished  bool       // it sends nothing more on its connection
	left      bool       // it is gone: nothing is done for it any more
	keepAlive bool       // its connection goes on after this exchange
	inTunnel  bool       // its connection has become another protocol's
	other     bool       // it speaks HTTP/2, as its first bytes say
	linger    bool       // what it still sends is read for a moment before its connection is closed
	code      http2.Code // by which its stream is reset if that is not complete
}

// reset has c be the client of s. Until a trusted proxy is read, that is the peer.
func (c *clientState) reset(s *session) {
	c.conn, c.stream = s.conn, s.stream
	if c.stream == nil {
		c.lone.Bind(s.conn, c.surplus)
		c.stream = &c.lone
	}
	c.ip, c.told = s.peer, filter.Told{Client: s.peer}
	c.aheadLen, c.code = 0, http2.InternalError
	c.finished, c.left, c.keepAlive, c.inTunnel, c.other, c.linger = false, false, false, false, false, false
}

func (c *clientState) forget() {
	c.conn, c.stream = nil, nil
	c.lone.Forget()
}
