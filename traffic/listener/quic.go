package listener

import (
	"context"
	stdtls "crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/traffic/quic"
	"github.com/weir-proxy/weir/wire/tls"
)

// QUIC is the side of a listener's address that takes HTTP/3 over UDP. Its socket outlives reloads: each connection asks for the setup anew.
type QUIC struct {
	listener  *Listener
	loops     []*engine.Loop
	transport *quicgo.Transport
	socket    *quicSocket
	heir      *quicSuccession       // the way to the process that takes over; nil: none does
	accepting *quicgo.EarlyListener // nil: no connection is taken
	pending   atomic.Int64          // handshakes under way
	widened   atomic.Int64          // bytes by which windows of connections are wider than at first
	engine    *engine.Engine
	next      atomic.Uint32
	closing   atomic.Bool
	done      sync.WaitGroup
}

// pendingMost is how many handshakes may be under way until clients have to show that they are where they say they are (RFC 9000 section 8.1.2): who sends from
// addresses that are not its own gets an answer no larger than its question, and costs no more than that.
const pendingMost = 256

// ListenQUIC opens the address for the clients of l, or takes it over: passed is nil, or what the process before has passed on. The setup must have TLS whenever a
// client comes.
func ListenQUIC(l *Listener, e *engine.Engine, at netip.AddrPort, passed *QUICPassed) (*QUIC, error) {
	socket, err := passed.open()
	if socket == nil && err == nil {
		socket, err = openQUICSocket(at)
	}
	if err != nil {
		return nil, err
	}
	q := &QUIC{listener: l, loops: e.Loops(), engine: e, socket: socket}
	key := resetKeyAt(l.setup.Load().Resets, socket.LocalAddr())
	if key != nil {
		socket.resets = &quicResets{key: *key}
	}
	q.transport = &quicgo.Transport{Conn: q.socket, ConnectionIDGenerator: q.socket, ConnContext: q.begin,
		VerifySourceAddress: func(net.Addr) bool { return q.pending.Load() > pendingMost },
		StatelessResetKey:   (*quicgo.StatelessResetKey)(key)}
	if err := q.Resume(); err != nil {
		q.socket.Close()
		return nil, err
	}
	return q, nil
}

// Resume takes connections, at the start or after Stop. It does nothing where they are taken already.
func (q *QUIC) Resume() error {
	if q.accepting != nil {
		return nil
	}
	accepting, err := q.transport.ListenEarly(&stdtls.Config{GetConfigForClient: q.hello, GetEncryptedClientHelloKeys: q.echKeys}, &quicgo.Config{
		GetConfigForClient: func(*quicgo.ClientInfo) (*quicgo.Config, error) { return q.config(), nil },
		Allow0RTT:          true,
	})
	if err == nil {
		q.accepting = accepting
		q.done.Go(func() { q.accept(accepting) })
	}
	return err
}

// config is what holds for a new connection's transport.
func (q *QUIC) config() *quicgo.Config {
	setup := q.listener.setup.Load()
	config := &quicgo.Config{Allow0RTT: true, HandshakeIdleTimeout: setup.Handshake, MaxIncomingStreams: quicStreams,
		MaxIncomingUniStreams: quicUnidirectional, MaxStreamReceiveWindow: quicWindow, MaxConnectionReceiveWindow: 2 * quicWindow, AllowConnectionWindowIncrease: q.mayWiden}
	if setup.HTTP != nil { // else a reload has just given the address another protocol, and nothing is taken
		config.MaxIdleTimeout = setup.HTTP.Idle
	}
	return config
}

// mayWiden reports whether a connection's window may grow by so much: windows together may do so by an eighth of what peers may have weir hold. A client that sends fast to a server which
// reads fast has much on its way; so may have one whose server stops reading then.
func (q *QUIC) mayWiden(c *quicgo.Conn, delta uint64) bool {
	a, ok := c.Context().Value(askedKey{}).(*asked)
	if !ok {
		return false
	}
	most := q.engine.Memory() / 8
	if most == 0 {
		most = widenedMost
	}
	if q.widened.Add(int64(delta)) > most {
		q.widened.Add(-int64(delta))
		return false
	}
	a.widened.Add(int64(delta))
	return true
}

// quicStreams is how many requests a client may have under way on a connection; quicUnidirectional has room for what HTTP/3 needs and some that it ignores;
// quicWindow is how much of a request's content may wait where the link is long and its reader keeps up; widenedMost what all connections may have more than at first where no memory limit is known.
const (
	quicStreams        = 128
	quicUnidirectional = 8
	quicWindow         = 4 << 20
	widenedMost        = 128 << 20
)

// asked is what is known of a connection while its handshake is under way.
type asked struct {
	settled func() // the handshake is not under way any more
	isThere bool   // the client has shown that it is where it says it is, by a token that it got there
	policy  atomic.Pointer[tls.Policy]
	print   []byte // complete once policy is set
	widened atomic.Int64
}

type askedKey struct{}

// begin counts a connection whose handshake begins, and gives it a place for what the handshake says.
func (q *QUIC) begin(ctx context.Context, client *quicgo.ClientInfo) (context.Context, error) {
	if client != nil && !q.listener.setup.Load().Access.Allows(quic.AddrPort(client.RemoteAddr).Addr()) {
		return nil, errRefused
	}
	q.pending.Add(1)
	a := &asked{isThere: client != nil && client.AddrVerified, settled: sync.OnceFunc(func() { q.pending.Add(-1) })}
	context.AfterFunc(ctx, func() {
		a.settled()
		q.widened.Add(-a.widened.Swap(0))
	})
	return context.WithValue(ctx, askedKey{}, a), nil
}

// hello chooses the policy for a client.
func (q *QUIC) hello(hello *stdtls.ClientHelloInfo) (config *stdtls.Config, err error) {
	q.loops[0].Guard(func() { config, err = q.choose(hello) }, func() { err = errPanicked })
	return config, err
}

func (q *QUIC) choose(hello *stdtls.ClientHelloInfo) (*stdtls.Config, error) {
	setup := q.listener.setup.Load()
	if setup.TLS == nil || !setup.QUIC {
		return nil, errNoQUIC
	}
	policy, print := setup.TLS.ForQUIC(hello)
	if a, ok := hello.Context().Value(askedKey{}).(*asked); ok {
		a.print = print
		a.policy.Store(policy)
	}
	return policy.QUIC, nil
}

// echKeys are those of Encrypted Client Hello, by which the true hello is read.
func (q *QUIC) echKeys(hello *stdtls.ClientHelloInfo) (keys []stdtls.EncryptedClientHelloKey, err error) {
	q.loops[0].Guard(func() { keys, err = q.ownKeys(hello) }, func() { err = errPanicked })
	return keys, err
}

func (q *QUIC) ownKeys(hello *stdtls.ClientHelloInfo) ([]stdtls.EncryptedClientHelloKey, error) {
	if setup := q.listener.setup.Load(); setup.TLS != nil {
		if get := setup.TLS.Own().Config.GetEncryptedClientHelloKeys; get != nil {
			return get(hello)
		}
	}
	return []stdtls.EncryptedClientHelloKey{}, nil
}

// internalError is H3_INTERNAL_ERROR.
const internalError = 0x102

var errPanicked = errors.New("panicked")

var errRefused = errors.New("the client's network is not allowed")

var errNoQUIC = errors.New("HTTP/3 is not spoken here")

func (q *QUIC) accept(accepting *quicgo.EarlyListener) {
	for {
		c, err := accepting.Accept(context.Background())
		if err != nil {
			return
		}
		q.done.Go(func() { q.loops[0].Guard(func() { q.serve(c) }, func() { c.CloseWithError(internalError, "") }) })
	}
}

// serve runs a connection.
func (q *QUIC) serve(raw *quicgo.Conn) {
	a, _ := raw.Context().Value(askedKey{}).(*asked)
	go func() {
		select {
		case <-raw.HandshakeComplete():
		case <-raw.Context().Done():
		}
		a.settled()
	}()
	policy := a.policy.Load()
	setup := q.listener.setup.Load()
	if policy == nil || setup.HTTP == nil || setup.HTTP.Closing {
		raw.CloseWithError(0x100, "")
		return
	}
	l := q.loops[int(q.next.Add(1))%len(q.loops)]
	// With a policy that asks for certificates nothing is known of who asks before the handshake has ended. Nor is it known where a client is that has no token: a request as early data
	// may come from a spoofed address, and allow, deny, match, persistence, limits, the log and what servers are told all go by the address. RFC 9000 section 8.1: "Prior to validating
	// the client address" a server sends little; the handshake's end validates it, as a token does.
	c := quic.New(raw, l, &quic.Config{Limits: &setup.HTTP.Limits, Header: setup.HTTP.Header, Send: setup.HTTP.Send, Waits: policy.Auth != "" || !a.isThere},
		quic.AddrPort(raw.LocalAddr()), quic.AddrPort(raw.RemoteAddr()))
	if policy.Auth != "" && !c.Settle() {
		return
	}
	peer := quic.AddrPort(raw.RemoteAddr()).Addr()
	if most, limited := setup.perClient(peer, l.Engine()); limited {
		if !q.listener.clients.enter(peer, most) {
			l.Post(func() { q.listener.http.Refused(l, reason.ClientFull) })
			c.Refuse()
			return
		}
		defer q.listener.clients.Closed(peer)
	}
	if !q.take(l, c, q.settled(raw, policy, a.print)) {
		return
	}
	c.Serve()
}

// take has the loop take the connection, and reports whether it has.
func (q *QUIC) take(l *engine.Loop, c *quic.Conn, h *filter.Handshake) bool {
	taken := make(chan bool, 1)
	l.Post(func() {
		mine := &q.listener.loops[l.Index]
		mine.Handshakes++
		isTaken := false
		defer func() { taken <- isTaken }() // also where it panics
		isTaken = q.listener.http.AcceptHTTP3(c, h)
	})
	return <-taken
}

func (q *QUIC) settled(raw *quicgo.Conn, policy *tls.Policy, print []byte) *filter.Handshake {
	state := raw.ConnectionState().TLS
	h := &filter.Handshake{Version: stdtls.VersionTLS13, Suite: state.CipherSuite, ServerName: state.ServerName, Protocol: state.NegotiatedProtocol, Auth: policy.Auth, Print: print}
	if len(state.PeerCertificates) > 0 {
		h.Certificate = state.PeerCertificates[0]
	}
	return h
}

// Address is the one that is listened on.
func (q *QUIC) Address() netip.AddrPort { return quic.AddrPort(q.socket.LocalAddr()) }

// Stop takes no further connections; those that are there go on. Where another process reads the socket, new clients are that one's already, and the handshakes in
// progress here complete: to close would refuse them.
func (q *QUIC) Stop() {
	if q.heir == nil && q.accepting != nil {
		q.accepting.Close()
		q.accepting = nil
	}
}

// Close ends what is left.
func (q *QUIC) Close() {
	if q.accepting != nil {
		q.accepting.Close()
	}
	q.transport.Close()
	q.socket.Close()
	done := make(chan struct{})
	go func() { q.done.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Second):
	}
}
