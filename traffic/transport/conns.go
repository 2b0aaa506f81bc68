package transport

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/traffic/quic"
	"github.com/weir-proxy/weir/traffic/stream"
	"github.com/weir-proxy/weir/wire/http2"
)

// Config says how connections to the servers of a pool are made and kept. Immutable.
type Config struct {
	TLS         TLS            // nil: clear
	OpaqueTLS   TLS            // for bytes that are no HTTP of weir's: nothing is agreed on beside TLS
	Connect     time.Duration  // to connect, TLS handshake included; 0: 3 s
	Idle        time.Duration  // an unused connection is kept; 0: 55 s
	MaxIdle     int            // unused connections kept per loop and server; 0: 256, negative: none
	MaxRequests int            // requests after which a connection is closed; 0: no limit
	ByName      bool           // servers that are addressed by IP are asked for, and verified, by the name that requests are for: see Dialing.Asked
	Tolerant    bool           // answers may be framed wrongly in the ways of old devices
	Private     bool           // each client gets connections of its own
	Congestion  string         // TCP congestion control; "": the system's
	Sources     []netip.Addr   // own addresses, used in turn; none: the system chooses
	ByClient    bool           // connections come from their client's address, and serve no other
	Warm        int            // connections kept ready per loop and server
	Version     Version        // of HTTP
	Streams     *stream.Config // of connections of HTTP/2; set with HTTP2, H2C and Auto
	QUIC        *quic.Config   // of connections of HTTP/3; set with HTTP3
	Generation  uint64         // grows when something changes that a connection is opened with: see Renew
}

// TLS wraps a connection to a server and completes the handshake with it.
type TLS interface {
	// Client wraps c. server is the server's own name, "" if it is addressed by IP; it is then asked for the name asked, if that is not "".
	Client(c engine.Conn, server, asked string) (engine.Conn, error)
}

// Defaults. Reference: features.md section 6.
const (
	DefaultConnect = 3 * time.Second
	DefaultIdle    = 55 * time.Second
	DefaultMaxIdle = 256
)

// Conns are one loop's connections to one server. Owned by the loop.
type Conns struct {
	loop    *engine.Loop
	newest  *Conn
	Idle    int           // connections that wait for work
	Open    int           // connections that exist
	Opened  uint64        // connections made since the start
	Reused  uint64        // exchanges that found a connection
	NoPorts uint64        // times that an own address had no free port
	learned time.Duration // the server's own idle timeout as far as it is known; 0: not yet

	shared     []*shared // connections that carry many exchanges
	opening    *opening  // one that is being opened, for all who wait for it
	freed      []*lease
	streams    uint32 // that the server allows on a connection; 0: not known
	http1Until int64  // ms: the server wants HTTP/1.1, whatever it chooses in the TLS handshake
	refused    bool   // the server chose HTTP/1.1 where it might have had HTTP/2
	generation uint64 // the least of a connection that is used for another request

	ramp    ramp    // while the server is cold
	turn    int     // of the next source
	spent   []int64 // by source: when it may be tried again, ms
	warming int     // connections that are being opened for later
	isKnown bool    // to the loop, as a keeper
}

// NewConns makes the place for a loop's connections to a server.
func NewConns(l *engine.Loop) *Conns { return &Conns{loop: l} }

// Conn is a connection to a server.
type Conn struct {
	engine.Conn
	Stream   Stream // what an exchange works with; nil while there is none, unless it is one of many on a connection
	Requests int    // exchanges begun on it
	Reused   bool   // the running exchange is not its first
	Private  bool   // belongs to one client for good: kept by Hold, never by Keep

	home         *Conns
	lease        *lease     // of a shared connection
	place        Places     // what Close gives back; nil: no limit
	name         string     // that TLS has asked the server for, with Config.ByName
	source       netip.Addr // the client's address that it comes from; the zero value: an own one
	generation   uint64     // of the Config that it was opened with
	newer, older *Conn
	idleSince    int64
	idleFor      time.Duration
	idle         bool
	held         bool // idle, and not in the list
	closed       bool
}

// Want is which of a server's connections will do.
type Want struct {
	Name  string // that TLS has asked for; "" unless Config.ByName
	HTTP1 bool   // one that carries a single exchange at a time
}

// Take returns the connection that was used last of those that will do, nil if none is idle.
func (s *Conns) Take(w Want) *Conn {
	if len(s.shared) > 0 && !w.HTTP1 && !s.wantsHTTP1() {
		if c := s.lease(w.Name); c != nil {
			s.Reused++
			return c
		}
	}
	for c := s.newest; c != nil; {
		older := c.older
		if c.name == w.Name {
			if s.claim(c) {
				return c
			}
			// What was closed may have taken others with it.
			older = s.newest
		}
		c = older
	}
	return nil
}

// http1For is how long a server that has refused a request by HTTP/2 is spoken to in HTTP/1.1.
const http1For = 10 * 60 * 1000 // ms

// RequireHTTP1 remembers that the server wants HTTP/1.1, which it has spoken (RFC 9113 section 7, HTTP_1_1_REQUIRED: "The endpoint requires that HTTP/1.1 be used instead of HTTP/2").
func (s *Conns) RequireHTTP1() { s.http1Until = s.loop.Now() + http1For }

func (s *Conns) wantsHTTP1() bool { return s.http1Until > 0 && s.loop.Now() < s.http1Until }

// claim takes an idle connection for a request. One whose end, or bytes nobody asked for, came in this very turn, is closed: its handler is about
// to do that.
func (s *Conns) claim(c *Conn) bool {
	s.unlink(c)
	if !c.Conn.Reclaim() {
		c.Close()
		return false
	}
	s.Reused++
	c.Requests++
	c.Reused = true
	return true
}

// Places is a limit to connections that loops share: Take takes one of its places, unless none is free. May be called on any loop.
type Places interface {
	Take() bool
	Give()
}

// Dialing is what a connection is opened with, besides the Config of its pool.
type Dialing struct {
	Address engine.Address
	Server  string        // the server's own name, for TLS; "" if it is addressed by IP
	Asked   string        // the name that it is asked for then; "": none
	Source  netip.Addr    // the client's address, which Config.ByClient asks for
	Connect time.Duration // how long it may take; 0: what the Config says
	Places  Places        // the limit; nil: there is none
	Opaque  bool          // nothing is agreed on in the TLS handshake: a tunnel's, or one for HTTP/1.1 whatever the pool speaks
	Heavy   bool          // the client has much under way
	Reuse   bool          // one that has had requests before will do as well
	Cancel  *Cancel       // ends the Dial early; nil: nobody does
	Preface []byte        // sent before anything else, TLS too; borrowed until Dial returns
	Awaits  byte          // what the server must answer to Preface before anything else; 0: nothing
}

// Dial opens a connection, or takes room on one that many share; it parks. The connection has its place until it is closed.
func (s *Conns) Dial(config *Config, d Dialing) (*Conn, error) {
	if d.Cancel.IsCalled() {
		return nil, engine.ErrInterrupted
	}
	defer d.Cancel.settle()
	if config.Version != HTTP1 && s.wantsHTTP1() {
		d.Opaque = true
	}
	if config.Version != HTTP1 && !d.Opaque {
		return s.dialShared(config, d)
	}
	return s.dialInRamp(config, d)
}

func (s *Conns) dialOwn(config *Config, d Dialing) (*Conn, error) {
	if d.Places != nil && !d.Places.Take() {
		return nil, ErrLimit
	}
	c, err := s.open(config, &d)
	if err != nil && d.Places != nil {
		d.Places.Give()
	}
	if c != nil {
		c.takePlace(d.Places)
	}
	return c, err
}

func (s *Conns) open(config *Config, d *Dialing) (*Conn, error) {
	if config.Version == HTTP3 && !d.Opaque {
		return s.openHTTP3(config, d)
	}
	connect := connectTime(d.Connect, config)
	s.Open++
	o := engine.DialOptions{Timeout: connect, Congestion: config.Congestion, Pending: d.Cancel.pending(), Heavy: d.Heavy, GivenUp: d.Cancel.called()}
	source := config.Spoofed(d.Source, d.Address.IP.Addr())
	ec, err := s.dialFrom(source, d.Address, config, o)
	if err != nil {
		s.Open--
		return nil, err
	}
	if len(d.Preface) > 0 {
		ec.SetWriteTimeout(connect)
		_, err := ec.Write(d.Preface)
		if err == nil && d.Awaits != 0 {
			err = await(ec, d.Awaits, connect)
		}
		if err != nil {
			ec.Close()
			s.Open--
			return nil, err
		}
	}
	if t := config.tls(d.Opaque); t != nil {
		ec.SetReadTimeout(connect)
		ec.SetWriteTimeout(connect)
		secure, err := t.Client(ec, d.Server, d.Asked)
		if err != nil {
			ec.Close()
			s.Open--
			return nil, &TLSError{err}
		}
		ec = secure
	}
	s.Opened++
	if !d.Opaque && isHTTP2(ec, config) {
		return s.shareHTTP2(ec, config, d.Asked), nil
	}
	return &Conn{Conn: ec, home: s, name: d.Asked, source: source, generation: config.Generation, Requests: 1, Private: config.Private}, nil
}

// await reads one byte, by which a server takes up TLS.
func await(c engine.Conn, want byte, within time.Duration) error {
	var got [1]byte
	c.SetReadTimeout(within)
	if _, err := c.Read(got[:]); err != nil {
		return err
	}
	if got[0] != want {
		return &TLSError{fmt.Errorf("the server was asked for TLS and answered %q", got[:])}
	}
	return nil
}

func (c *Config) tls(opaque bool) TLS {
	if opaque && c.OpaqueTLS != nil {
		return c.OpaqueTLS
	}
	return c.TLS
}

// ErrLimit says that a server has as many connections as it may have.
var ErrLimit = errors.New("connection limit reached")

// TLSError is a handshake that failed.
type TLSError struct{ Err error }

func (e *TLSError) Error() string { return "tls: " + e.Err.Error() }
func (e *TLSError) Unwrap() error { return e.Err }

// Keep puts a connection back that is clean: the answer was read to its end, nothing follows, the server lets it live.
func (c *Conn) Keep(config *Config) {
	if c.lease != nil {
		c.Close()
		return
	}
	c.Stream = nil
	if c.Private {
		panic("BUG: a connection that belongs to one client is kept for all")
	}
	s := c.home
	most := config.MaxIdle
	if most == 0 {
		most = DefaultMaxIdle
	}
	if c.generation < s.generation || s.Idle >= most || config.MaxRequests > 0 && c.Requests >= config.MaxRequests {
		c.Close()
		return
	}
	c.older = s.newest
	if c.older != nil {
		c.older.newer = c
	}
	s.newest = c
	s.Idle++
	if !s.isKnown {
		s.isKnown = true
		s.loop.Keeps(s)
	}
	c.await(config)
	s.ramp.inVain = false
	s.ramp.wake(s.loop)
}

// await gives the connection back to the loop until it is used again, or has been idle long enough.
func (c *Conn) await(config *Config) {
	s := c.home
	idle := config.Idle
	if idle == 0 {
		idle = DefaultIdle
	}
	if s.learned > 0 && s.learned < idle {
		idle = s.learned
	}
	c.idle = true
	c.idleSince, c.idleFor = s.loop.Now(), idle
	c.Conn.Watch(nil)
	c.Conn.ClearInterrupt()
	c.Conn.SetReadTimeout(idle)
	c.Conn.Await(c)
}

// Serve runs when an idle connection has its event: the server closed it, sent what nobody asked for, or it was idle long enough.
func (c *Conn) Serve(engine.Conn) {
	if !c.idle {
		return
	}
	s := c.home
	unused := time.Duration(s.loop.Now()-c.idleSince) * time.Millisecond
	clean := unused < c.idleFor && c.Conn.IsIdle()
	if !c.idle {
		return // somebody took it for a request while it was looked at, and closed it: nothing is learnt of the server
	}
	if clean {
		c.Conn.SetReadTimeout(c.idleFor - unused)
		c.Conn.Await(c)
		return
	}
	s.unlink(c)
	if unused >= c.idleFor && s.learned > 0 {
		s.learned += s.learned / 16 // what was learnt may have been a restart: tried a little longer each time, until the server is first again
	}
	c.Conn.SetReadTimeout(0)
	var one [1]byte
	if n, err := c.Conn.Read(one[:]); n == 0 && err != engine.ErrTimeout {
		s.learnIdle(unused)
	}
	c.Close()
}

// learnIdle remembers how long the server kept a connection that nobody used. Connections are then given up a little
// earlier than the server would, so that no request meets a closing one.
func (s *Conns) learnIdle(after time.Duration) {
	if after < time.Second {
		return // it closed for another reason: a restart, a limit of requests
	}
	limit := after - max(after/10, 500*time.Millisecond)
	if s.learned == 0 || limit < s.learned {
		s.learned = limit
	}
}

// LearnKeepAlive takes the server's announcement, Keep-Alive: timeout=N, in seconds.
func (c *Conn) LearnKeepAlive(seconds int) {
	if seconds > 0 {
		c.home.learnIdle(time.Duration(seconds) * time.Second)
	}
}

// Learned is the server's idle timeout less a margin, 0 while it is not known.
func (s *Conns) Learned() time.Duration { return s.learned }

// Close ends the connection.
func (c *Conn) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	if c.lease != nil {
		c.lease.end()
		return nil
	}
	if c.idle {
		c.home.unlink(c)
	}
	c.home.Open--
	c.home.ramp.wake(c.home.loop)
	err := c.Conn.Close()
	if c.place != nil {
		c.place.Give()
	}
	return err
}

// CloseOldest ends the connection that has been idle longest, if that is since a time of the loop's clock, in ms; false if none is.
func (s *Conns) CloseOldest(since int64) bool {
	oldest := s.oldest()
	if oldest == nil || oldest.idleSince > since {
		return false
	}
	oldest.Close()
	return true
}

// Waiting is how many connections are idle.
func (s *Conns) Waiting() int { return s.Idle }

// Dropped says that the loop does not know s any more.
func (s *Conns) Dropped() { s.isKnown = false }

// oldest is the connection that has been idle longest; nil if none is.
func (s *Conns) oldest() *Conn {
	c := s.newest
	for c != nil && c.older != nil {
		c = c.older
	}
	return c
}

// CloseIdle ends all idle connections, as when the server has left its pool.
func (s *Conns) CloseIdle() {
	for _, h := range slices.Clone(s.shared) {
		h.conn.Leave(http2.NoError)
	}
	for s.newest != nil {
		s.newest.Close()
	}
}

// Renew has no connection used for another request that was opened under an older generation: whom the operator has stopped to trust is not asked over a
// connection that is left from before. What is under way ends as it began.
func (s *Conns) Renew(generation uint64) {
	if generation <= s.generation {
		return
	}
	s.generation = generation
	s.refused, s.streams = false, 0
	for _, h := range slices.Clone(s.shared) {
		if h.config.Generation < generation {
			h.conn.Leave(http2.NoError)
		}
	}
	for c := s.newest; c != nil; {
		older := c.older
		if c.generation < generation {
			c.Close()
		}
		c = older
	}
}

func (s *Conns) unlink(c *Conn) {
	if !c.idle {
		return
	}
	c.idle = false
	if c.held {
		c.held = false
		return
	}
	if c.newer != nil {
		c.newer.older = c.older
	} else {
		s.newest = c.older
	}
	if c.older != nil {
		c.older.newer = c.newer
	}
	c.newer, c.older = nil, nil
	s.Idle--
}
