package listener

import (
	stdtls "crypto/tls"
	"errors"
	"sync/atomic"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/traffic/exchange"
	"github.com/weir-proxy/weir/wire/tls"
)

// Setup is how connections of an address are taken. Immutable.
type Setup struct {
	TLS       *stdtls.Config // nil: clear
	Handshake time.Duration  // a TLS handshake
	HTTP      *exchange.Setup
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
	turn    int64
	started int // handshakes begun in this turn
	_       [64]byte
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

// handshakesPerTurn bounds how many handshakes begin in one turn of a loop: each costs as much as twenty requests, and those that are
// under way would wait for all of them.
const handshakesPerTurn = 4

// Serve takes a new connection.
func (l *Listener) Serve(c engine.Conn) {
	setup := l.setup.Load()
	if setup.TLS == nil {
		l.http.Serve(c)
		return
	}
	mine := &l.loops[c.Loop().Index]
	c.SetReadTimeout(setup.Handshake)
	c.SetWriteTimeout(setup.Handshake)
	mine.takeTurn(c.Loop())
	secure := tls.Server(c, setup.TLS)
	if err := secure.Handshake(); err != nil {
		mine.Failed++
		refuse(c, err)
		return
	}
	mine.Handshakes++
	if secure.State().DidResume {
		mine.Resumed++
	}
	l.http.Serve(secure)
}

// Resume takes a clear connection that another process has passed on, with the requests it had so far. On its loop, outside of any coroutine.
func (l *Listener) Resume(c engine.Conn, requests int) {
	if l.setup.Load().TLS != nil {
		c.Close() // the address has become one of TLS, and its client does not know
		return
	}
	l.http.Resume(c, requests)
}

// takeTurn waits for a turn of the loop in which there is room for a handshake.
func (p *perLoop) takeTurn(l *engine.Loop) {
	for {
		if now := l.Micros(); now != p.turn {
			p.turn, p.started = now, 0
		}
		if p.started < handshakesPerTurn {
			p.started++
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
