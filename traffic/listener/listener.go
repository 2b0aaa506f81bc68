package listener

import (
	stdtls "crypto/tls"
	"errors"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/exchange"
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/traffic/flow"
	"github.com/weir-proxy/weir/traffic/tunnel"
	"github.com/weir-proxy/weir/wire/proxyproto"
	"github.com/weir-proxy/weir/wire/sniff"
	"github.com/weir-proxy/weir/wire/tls"
)

// Setup is how connections of an address are taken. Immutable.
type Setup struct {
	Proxies     *filter.Networks // whose connections begin with the PROXY protocol; nil: nobody's
	Access      *filter.Access   // whose connections and datagrams are taken; nil: everybody's
	PerClient   int              // connections of one client; negative: so many percent of all; 0: no limit
	Connections int              // of all clients; 0: no limit
	Opening     time.Duration    // until what comes before the first byte of the application is there: a PROXY header, a ClientHello
	TLS         *tls.Terms       // nil: clear
	QUIC        bool             // HTTP/3 is spoken too, over UDP
	Resets      *[32]byte        // with QUIC: what stateless resets are made by
	Handshake   time.Duration    // a TLS handshake
	TakesPlain  bool             // with TLS: who does not speak it is served in clear
	Passes      bool             // TLS is not ended here but for the names that Tunnel says
	HTTP        *exchange.Setup  // nil: everything goes into tunnels
	Tunnel      *tunnel.Setup    // nil: everything is HTTP
	Flow        *flow.Setup      // nil: it takes connections
	Drain       time.Duration    // what is under way when the listener goes, or weir ends
	Redirects   bool             // the kernel rewrites the destination of its connections
}

// Defers reports whether a connection needs nobody before its client has sent something.
func (s *Setup) Defers() bool { return s.Tunnel == nil || s.Passes || s.TLS != nil && !s.TakesPlain }

// Listener is an address that is listened on.
type Listener struct {
	setup   atomic.Pointer[Setup]
	http    *exchange.HTTP
	tunnels *tunnel.Tunnels
	flows   *flow.Flows
	loops   []perLoop
	clients *clients
}

// perLoop is owned by its loop.
type perLoop struct {
	Stats
	turn    int64
	began   time.Time // when the first handshake of this turn did
	waiting int       // handshakes that wait for a turn
	under   int       // handshakes under way
	_       [64]byte
}

// Stats are what a loop counts for a listener.
type Stats struct {
	Handshakes uint64 // completed
	Failed     uint64 // failed or timed out
	Resumed    uint64
	Dropped    uint64 // connections that began with no PROXY header, or an odd one
}

// Drivers are what all listeners of one weir share.
type Drivers struct {
	Exchanges *exchange.Driver
	Tunnels   *tunnel.Driver
	Flows     *flow.Driver
}

// New makes a listener that serves by the setup.
func New(d Drivers, setup *Setup, loops int) *Listener {
	l := &Listener{http: d.Exchanges.NewHTTP(setup.HTTP), tunnels: d.Tunnels.NewTunnels(setup.Tunnel), flows: d.Flows.NewFlows(setup.Flow), loops: make([]perLoop, loops), clients: newClients()}
	l.setup.Store(setup)
	return l
}

// Swap replaces the setup. Where another protocol takes the place of HTTP, the connections of HTTP end with their next answer.
func (l *Listener) Swap(setup *Setup) {
	l.setup.Store(setup)
	l.tunnels.Swap(setup.Tunnel)
	l.flows.Swap(setup.Flow)
	if setup.HTTP != nil {
		l.http.Swap(setup.HTTP)
	} else {
		l.closeHTTP()
	}
}

// Close has the connections of HTTP end with their next answer, and no flow begin. Nothing is accepted any more.
func (l *Listener) Close() {
	l.closeHTTP()
	if last := l.flows.Setup(); last != nil && !last.Closing {
		closing := *last
		closing.Closing = true
		l.flows.Swap(&closing)
	}
}

func (l *Listener) closeHTTP() {
	if last := l.http.Setup(); last != nil && !last.Closing {
		closing := *last
		closing.Closing = true
		l.http.Swap(&closing)
	}
}

// Setup returns the current setup.
func (l *Listener) Setup() *Setup { return l.setup.Load() }

// Stats copies a loop's counters, and the number of connections open. On that loop.
func (l *Listener) Stats(loop int) (Stats, int64) {
	return l.loops[loop].Stats, l.http.Open(loop) + l.tunnels.Open(loop) + l.flows.Open(loop)
}

// HTTP is what serves its connections that carry requests; nil of no listener.
func (l *Listener) HTTP() *exchange.HTTP {
	if l == nil {
		return nil
	}
	return l.http
}

// Tunnels is what serves those that do not; nil of no listener.
func (l *Listener) Tunnels() *tunnel.Tunnels {
	if l == nil {
		return nil
	}
	return l.tunnels
}

// Flows is what carries its datagrams; nil of no listener.
func (l *Listener) Flows() *flow.Flows {
	if l == nil {
		return nil
	}
	return l.flows
}

// handshakesFor bounds how long handshakes may begin in one turn of a loop: each costs as much as twenty requests, one with RSA two hundred, and whatever
// else is ready there waits for all of them. One may always begin.
const handshakesFor = time.Millisecond

// Serve takes a new connection.
func (l *Listener) Serve(c engine.Conn) {
	setup := l.setup.Load()
	setup.findDestination(c)
	var o tunnel.Opened
	if setup.Proxies != nil && setup.Proxies.Contains(c.RemoteAddr().Addr()) && !l.readProxyHeader(c, setup, &o) {
		return
	}
	if !setup.Access.Allows(c.RemoteAddr().Addr()) {
		l.drop(c, reason.Refused, nil)
		return
	}
	if !l.admit(c, setup) {
		return
	}
	switch {
	case setup.Passes:
		l.passOrEnd(c, setup, o)
	case setup.TLS != nil && (!setup.TakesPlain || speaksTLS(c)):
		l.endTLS(c, setup, o)
	case setup.Tunnel != nil:
		engine.Taken(c)
		l.tunnels.Serve(c, setup.Tunnel.Way, o)
	default:
		engine.Taken(c)
		l.http.ServeTLS(c, nil, o.TLVs)
	}
}

// passOrEnd goes by the name that the client asks for.
func (l *Listener) passOrEnd(c engine.Conn, setup *Setup, o tunnel.Opened) {
	buf := c.Loop().Buffer(sniff.SizeMax)
	h, ok := l.readHello(c, setup, buf, &o)
	o.Name = h.ServerName // a copy of its own
	var way *tunnel.Way
	var terminate bool
	if ok {
		way, terminate = setup.Tunnel.Find(h.ServerName, h.Protocols)
	}
	c.Loop().Release(buf)
	switch {
	case !ok:
	case terminate && o.AsksTLS:
		l.drop(c, reason.HelloMalformed, errPostgres)
	case terminate:
		l.endTLS(c, setup, o)
	default:
		engine.Taken(c)
		l.tunnels.Serve(c, way, o)
	}
}

var errPostgres = errors.New("a client of PostgreSQL asks for a name whose TLS is ended here for HTTP; give the name a pool")

// endTLS does the handshake, and hands on what is inside.
func (l *Listener) endTLS(c engine.Conn, setup *Setup, o tunnel.Opened) {
	secure := l.handshake(c, setup)
	if secure == nil {
		return
	}
	engine.Taken(c)
	state := secure.State()
	switch {
	case state.NegotiatedProtocol == tls.ChallengeProtocol:
		secure.Close() // the authority has seen what it wanted
	case setup.HTTP == nil:
		o.IsSecure, o.Name = true, []byte(state.ServerName)
		if way := setup.Tunnel.Way; way != nil && way.To.Proxy == 2 {
			o.TLVs = appendTLS(o.TLVs, state)
		}
		l.tunnels.Serve(secure, setup.Tunnel.Way, o)
	case state.NegotiatedProtocol == "h2":
		l.http.ServeHTTP2(secure, settled(secure, &state), o.TLVs, nil)
	default:
		l.http.ServeTLS(secure, settled(secure, &state), o.TLVs)
	}
}

// handshake ends TLS; nil if that failed and the connection is gone.
func (l *Listener) handshake(c engine.Conn, setup *Setup) *tls.Conn {
	mine := &l.loops[c.Loop().Index]
	c.SetReadTimeout(setup.Handshake)
	c.SetWriteTimeout(setup.Handshake)
	if !mine.takeTurn(c) {
		mine.Failed++
		l.drop(c, reason.ClientGone, nil)
		return nil
	}
	secure := setup.TLS.Server(c)
	secure.Crowd = &mine.under
	mine.under++
	err := secure.Handshake()
	mine.under--
	if err != nil {
		mine.Failed++
		if setup.HTTP == nil {
			l.drop(c, orMadeRoom(err, reason.HandshakeFailed), err)
		} else {
			refuse(c, err)
		}
		return nil
	}
	engine.Acknowledge(c) // the client's last message has no answer
	mine.Handshakes++
	if secure.State().DidResume {
		mine.Resumed++
	}
	return secure
}

// settled is what exchanges know of a handshake.
func settled(c *tls.Conn, state *stdtls.ConnectionState) *filter.Handshake {
	h := &filter.Handshake{Version: state.Version, Suite: state.CipherSuite, ServerName: state.ServerName, Protocol: state.NegotiatedProtocol, Auth: c.Policy().Auth, Print: c.Print()}
	if len(state.PeerCertificates) > 0 {
		h.Certificate = state.PeerCertificates[0]
	}
	return h
}

// appendTLS puts what weir knows of the TLS that it has ended before what another proxy has told.
func appendTLS(told []byte, s stdtls.ConnectionState) []byte {
	e := proxyproto.Ended{Protocol: s.NegotiatedProtocol, ServerName: s.ServerName}
	e.Version, e.Cipher = filter.TLSNames(s.Version, s.CipherSuite)
	if len(s.VerifiedChains) > 0 {
		e.HasCert, e.CommonName = true, s.PeerCertificates[0].Subject.CommonName
	}
	return proxyproto.AppendEnded(nil, &e, told)
}

// Resume takes a clear connection that another process has passed on, with the requests it had so far. On its loop, outside of any coroutine.
func (l *Listener) Resume(c engine.Conn, requests int) {
	if setup := l.setup.Load(); setup.TLS != nil || setup.HTTP == nil {
		c.Close() // the address has become one of TLS, or of another protocol, and its client does not know
		return
	}
	engine.Taken(c)
	l.count(c)
	l.setup.Load().findDestination(c)
	l.http.Resume(c, requests)
}

// findDestination has the connection say where its client wanted to go, where the kernel has rewritten that.
func (s *Setup) findDestination(c engine.Conn) {
	if !s.Redirects {
		return
	}
	if to, ok := engine.OriginalDestination(c); ok {
		engine.SetEnds(c, to, netip.AddrPort{})
	}
}

// takeTurn waits for a turn of the loop in which there is time for a handshake, behind those that wait already; false if the client has left meanwhile. Where some wait, a new one always waits
// for the system's next word, which may be that its client is gone: a handshake costs a hundred times as much.
func (p *perLoop) takeTurn(c engine.Conn) bool {
	l := c.Loop()
	if p.hasTime(l) && p.waiting == 0 {
		return true
	}
	p.waiting++
	defer func() { p.waiting-- }()
	for {
		l.Yield()
		switch {
		case c.IsGone():
			return false
		case p.hasTime(l):
			return true
		}
	}
}

// hasTime reports whether another handshake may begin in this turn of the loop.
func (p *perLoop) hasTime(l *engine.Loop) bool {
	if now := l.Micros(); now != p.turn {
		p.turn, p.began = now, time.Now()
		return true
	}
	return time.Since(p.began) < handshakesFor
}

// refuse ends a connection whose handshake failed; who speaks HTTP in clear is told so in HTTP.
func refuse(c engine.Conn, err error) {
	var record stdtls.RecordHeaderError
	if errors.As(err, &record) && looksLikeHTTP(record.RecordHeader) {
		c.SetWriteTimeout(time.Second)
		c.Write([]byte("HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 42\r\nConnection: close\r\n\r\n" +
			"400 Bad Request: https is spoken here only"))
	}
	c.Close()
}

func looksLikeHTTP(b [5]byte) bool {
	for _, method := range [...]string{"GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "DELET", "PATCH"} {
		if string(b[:]) == method {
			return true
		}
	}
	return false
}
