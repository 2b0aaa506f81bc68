package listener

import (
	stdtls "crypto/tls"
	"errors"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/traffic/exchange"
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/wire/tls"
)

// Setup is how connections of an address are taken. Immutable.
type Setup struct {
	TLS       *tls.Terms    // nil: clear
	Handshake time.Duration // a TLS handshake
	HTTP      *exchange.Setup
	Redirects bool // the kernel rewrites the destination of its connections
}

// Listener is an address that is listened on.
type Listener struct {
	setup atomic.Pointer[Setup]
	http  *exchange.HTTP
	loops []perLoop
}

// perLoop is owned by its loop.
type perLoop struct {
	Stats
	turn  int64
	began time.Time // when the first handshake of this turn did
	under int       // handshakes under way
	_     [64]byte
}

// Stats are what a loop counts for a listener.
type Stats struct {
	Handshakes uint64 // completed
	Failed     uint64 // failed or timed out
	Resumed    uint64
}

// New makes a listener that serves by the setup.
func New(driver *exchange.Driver, setup *Setup, loops int) *Listener {
	l := &Listener{http: driver.NewHTTP(setup.HTTP), loops: make([]perLoop, loops)}
	l.setup.Store(setup)
	return l
}

// Swap replaces the setup.
func (l *Listener) Swap(setup *Setup) {
	l.setup.Store(setup)
	l.http.Swap(setup.HTTP)
}

// Setup returns the current setup.
func (l *Listener) Setup() *Setup { return l.setup.Load() }

// Stats copies a loop's counters, and the number of connections open. On that loop.
func (l *Listener) Stats(loop int) (Stats, int64) { return l.loops[loop].Stats, l.http.Open(loop) }

// HTTP is what serves its connections.
func (l *Listener) HTTP() *exchange.HTTP { return l.http }

// handshakesFor bounds how long handshakes may begin in one turn of a loop: each costs as much as twenty requests, one with RSA two hundred, and whatever
// else is ready there waits for all of them. One may always begin.
const handshakesFor = time.Millisecond

// Serve takes a new connection.
func (l *Listener) Serve(c engine.Conn) {
	setup := l.setup.Load()
	setup.findDestination(c)
	if setup.TLS == nil {
		l.http.Serve(c)
		return
	}
	secure := l.handshake(c, setup)
	if secure == nil {
		return
	}
	state := secure.State()
	if state.NegotiatedProtocol == challengeProtocol {
		secure.Close() // the authority has seen what it wanted
		return
	}
	if state.NegotiatedProtocol == "h2" {
		l.http.ServeHTTP2(secure, settled(secure, &state), nil)
		return
	}
	l.http.ServeTLS(secure, settled(secure, &state))
}

// challengeProtocol is what an authority speaks that has asked for tls-alpn-01 (RFC 8737 section 4): nothing.
const challengeProtocol = "acme-tls/1"

// handshake ends TLS; nil if that failed and the connection is gone.
func (l *Listener) handshake(c engine.Conn, setup *Setup) *tls.Conn {
	mine := &l.loops[c.Loop().Index]
	c.SetReadTimeout(setup.Handshake)
	c.SetWriteTimeout(setup.Handshake)
	mine.takeTurn(c.Loop())
	secure := setup.TLS.Server(c)
	secure.Crowd = &mine.under
	mine.under++
	err := secure.Handshake()
	mine.under--
	if err != nil {
		mine.Failed++
		refuse(c, err)
		return nil
	}
	mine.Handshakes++
	if secure.State().DidResume {
		mine.Resumed++
	}
	return secure
}

// settled is what exchanges know of a handshake.
func settled(c *tls.Conn, state *stdtls.ConnectionState) *filter.Handshake {
	h := &filter.Handshake{Version: state.Version, Suite: state.CipherSuite, ServerName: state.ServerName, Auth: c.Policy().Auth, Print: c.Print()}
	if len(state.PeerCertificates) > 0 {
		h.Certificate = state.PeerCertificates[0]
	}
	return h
}

// Resume takes a clear connection that another process has passed on, with the requests it had so far. On its loop, outside of any coroutine.
func (l *Listener) Resume(c engine.Conn, requests int) {
	if l.setup.Load().TLS != nil {
		c.Close() // the address has become one of TLS, and its client does not know
		return
	}
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

// takeTurn waits for a turn of the loop in which there is time for a handshake.
func (p *perLoop) takeTurn(l *engine.Loop) {
	for {
		if now := l.Micros(); now != p.turn {
			p.turn, p.began = now, time.Now()
			return
		}
		if time.Since(p.began) < handshakesFor {
			return
		}
		l.Yield()
	}
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
