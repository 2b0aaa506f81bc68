package quic

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/weir-proxy/weir/engine"
)

// TLS says whom weir trusts, and who it is, towards the servers of a pool.
type TLS interface {
	// Config is for a loop's connections to a server: by its name or, if that is "", its address, of which asked is asked for unless it is "". On that loop.
	Config(loop int, server, asked string, at netip.Addr) *tls.Config
}

// Dialing is how a connection to a server is opened.
type Dialing struct {
	To     netip.AddrPort
	Server string        // the name for TLS; "": the certificate must be for the address
	Asked  string        // the name that a server without one is asked for; "": none
	Source netip.Addr    // own address; the zero value: the system chooses
	Within time.Duration // the handshake included

	Heavy   bool            // the client has much under way
	Wanted  context.Context // done when nobody wants the connection any more
	GivenUp *bool           // likewise, on the loop; nil: somebody does
}

// Liveness of a connection to a server: it is asked for a sign of life when it has been silent for aliveEvery, and given up when it has been for silenceMost, as is one of
// HTTP/2. Servers give up connections that they do not hear of; RFC 9114 section 5.1: "HTTP clients are expected to request that the transport keep connections open
// while there are responses outstanding". An idle one is closed by weir itself, after Config.Idle.
const (
	aliveEvery  = 15 * time.Second
	silenceMost = 25 * time.Second
)

// What a server may have on its way that nobody has read: of an answer, at first and at most, and of all on a connection. An answer whose client is slow keeps to the
// first, so that it takes a hundred of them to hold up the others. unidirectionalMost has room for what HTTP/3 needs and some that it ignores.
const (
	windowStart        = 128 << 10
	windowMost         = 4 << 20
	connWindow         = 16 << 20
	unidirectionalMost = 8
)

// Dial opens a connection to a server; it parks. The error is a *HandshakeError where TLS has failed, engine.ErrTimeout where nobody answers, and engine.ErrInterrupted where nobody wants the connection any more.
func Dial(l *engine.Loop, config *Config, owner Owner, d Dialing) (*Conn, error) {
	by := time.Now().Add(d.Within)
	if err := l.HoldForDial(engine.DialOptions{Timeout: d.Within, Heavy: d.Heavy, GivenUp: d.GivenUp}); err != nil {
		return nil, err
	}
	var raw *quicgo.Conn
	var release func()
	var err error
	identity := config.TLS.Config(l.Index, d.Server, d.Asked, d.To.Addr())
	wait := engine.Wait{Most: d.Within + dialSlack}
	why := l.Block(l.Workers(engine.HTTP3DialWork, ""), &wait, func() { raw, release, err = dial(identity, &d, by) }, func() {
		l.HoldDescriptors(-1)
		if release != nil {
			go release()
		}
	})
	switch {
	case why == engine.ErrStuck: // it has its descriptor still
		return nil, engine.ErrTimeout
	case why != nil:
		l.HoldDescriptors(-1)
		return nil, engine.ErrTimeout // more servers are silent than may be waited for
	case err != nil:
		l.HoldDescriptors(-1)
		return nil, err
	}
	return connect(raw, l, config, owner, func() {
		release()
		l.Post(func() { l.HoldDescriptors(-1) })
	}), nil
}

// dialSlack is what a dial may take longer than it was given: it ends by itself then.
const dialSlack = time.Second

// dial opens a socket that is connected to the server, and a connection on it. The system then says when nobody listens there, or no longer, which is not to be learnt from
// QUIC but by waiting. release closes the socket once the connection has ended.
func dial(identity *tls.Config, d *Dialing, by time.Time) (c *quicgo.Conn, release func(), err error) {
	var own *net.UDPAddr
	if d.Source.IsValid() {
		own = net.UDPAddrFromAddrPort(netip.AddrPortFrom(d.Source, 0))
	}
	socket, err := net.DialUDP("udp", own, net.UDPAddrFromAddrPort(d.To))
	if err != nil {
		return nil, nil, err
	}
	t := &quicgo.Transport{Conn: peerSocket{socket}}
	release = func() {
		t.Close()
		socket.Close()
	}
	ctx, cancel := context.WithDeadline(d.Wanted, by)
	defer cancel()
	c, err = t.Dial(ctx, socket.RemoteAddr(), identity, &quicgo.Config{HandshakeIdleTimeout: d.Within, MaxIdleTimeout: silenceMost, KeepAlivePeriod: aliveEvery,
		MaxIncomingStreams: -1, MaxIncomingUniStreams: unidirectionalMost, InitialStreamReceiveWindow: windowStart, MaxStreamReceiveWindow: windowMost,
		InitialConnectionReceiveWindow: connWindow, MaxConnectionReceiveWindow: connWindow})
	if err != nil {
		release()
		return nil, nil, dialError(err)
	}
	return c, release, nil
}

// HandshakeError is a TLS handshake that failed.
type HandshakeError struct{ Err error }

func (e *HandshakeError) Error() string { return e.Err.Error() }
func (e *HandshakeError) Unwrap() error { return e.Err }

func dialError(err error) error {
	var transport *quicgo.TransportError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, context.Canceled):
		return engine.ErrInterrupted
	case errors.As(err, &transport) && transport.ErrorCode.IsCryptoError():
		return &HandshakeError{err}
	case errors.As(err, &timeout) && timeout.Timeout():
		return engine.ErrTimeout
	}
	return err
}

// peerSocket is a connected socket for who thinks that it has to say where packets go.
type peerSocket struct{ *net.UDPConn }

func (s peerSocket) WriteMsgUDP(b, oob []byte, _ *net.UDPAddr) (n, oobn int, err error) {
	return s.UDPConn.WriteMsgUDP(b, oob, nil)
}

func (s peerSocket) WriteTo(b []byte, _ net.Addr) (int, error) { return s.UDPConn.Write(b) }

// AddrPort is an address of UDP as weir writes it; the zero value for any other.
func AddrPort(a net.Addr) netip.AddrPort {
	u, ok := a.(*net.UDPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := u.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
