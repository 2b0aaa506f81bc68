package transport

import (
	"context"
	"errors"
	"net/netip"

	"github.com/weir-proxy/weir/traffic/quic"
	"github.com/weir-proxy/weir/wire/http2"
)

// http3Conn is a shared connection of HTTP/3.
type http3Conn struct {
	*quic.Conn
	of   *shared
	dial Dialing // by which another one is opened
}

var errNoStreams = errors.New("the server allows no requests on its connection")

// openHTTP3 is open for servers that speak HTTP/3.
func (s *Conns) openHTTP3(config *Config, d *Dialing) (*Conn, error) {
	s.Open++
	h := s.newShared(config, d.Asked)
	c := &http3Conn{of: h, dial: Dialing{Address: d.Address, Server: d.Server, Asked: d.Asked, Places: d.Places}}
	wanted, stop := context.WithCancel(context.Background())
	defer stop()
	d.Cancel.stops(stop)
	err := s.fromSources(config, d.Address.IP.Addr(), func(source netip.Addr) (err error) {
		c.Conn, err = quic.Dial(s.loop, config.QUIC, c, quic.Dialing{To: d.Address.IP, Server: d.Server, Asked: d.Asked, Source: source,
			Within: connectTime(d.Connect, config), Heavy: d.Heavy, Wanted: wanted, GivenUp: d.Cancel.called()})
		return err
	})
	if err != nil {
		s.Open--
		return nil, asTLSError(err)
	}
	s.Opened++
	h.conn = c
	s.doubtOthers()
	leased := s.share(h)
	if leased != nil {
		return leased, nil
	}
	c.Leave(http2.NoError)
	// A server that refuses weir's certificate says so when for weir the handshake is over.
	if err := c.OpenError(); err != nil {
		return nil, asTLSError(err)
	}
	return nil, errNoStreams
}

// Silent opens another connection to the server, to see whether that answers: what waits on this one is then tried again there.
func (c *http3Conn) Silent() {
	s := c.of.home
	if s.warming == 0 && s.opening == nil {
		s.warming++
		s.loop.Go(&warming{s, c.of.config, c.dial})
	}
}

// doubtOthers has older connections to the server, which answers on a new one, given up if it is silent there.
func (s *Conns) doubtOthers() {
	for _, h := range s.shared {
		if c, is := h.conn.(*http3Conn); is {
			c.Doubt()
		}
	}
}

func asTLSError(err error) error {
	var handshake *quic.HandshakeError
	if errors.As(err, &handshake) {
		return &TLSError{handshake.Err}
	}
	return err
}

// Begin opens a stream, if the server allows another one.
func (c *http3Conn) Begin() Stream {
	if s := c.Conn.Open(); s != nil {
		return s
	}
	return nil
}

// Open refuses a stream that a server has opened.
func (c *http3Conn) Open(s *quic.Stream) { s.Done(http2.RefusedStream) }

// Ended takes the connection out of use.
func (c *http3Conn) Ended(*quic.Conn) { c.of.ended() }
