package exchange

import (
	"sync/atomic"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/accesslog"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/traffic/stream"
	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/proxyproto"
)

// Setup is what the exchanges of a listener are served by. Immutable; a reload swaps it whole.
type Setup struct {
	Listener      string
	Sites         *site.Index
	Limits        http1.Limits
	Secure        bool        // clients come by TLS
	Pages         *site.Pages // of answers that no route gives; nil: bare words
	RedirectHTTPS string      // port of the https listener, "" if requests are served here
	Trusted       *filter.Networks
	Source        filter.Source // in which fields trusted proxies speak
	Public        Public        // how clients reach the listener, where that is not as it looks from here
	Forwarded     filter.Forwarded
	Header        time.Duration     // a request's head, from first byte to last
	Body          time.Duration     // pause between two arrivals of a request's body
	Send          time.Duration     // pause in which the client takes nothing
	Idle          time.Duration     // connection without a request
	Drain         time.Duration     // what is under way when the listener goes, or weir ends
	MaxRequests   int               // on one connection; 0: no limit
	MaxClients    int               // connections at the same time, per loop; 0: no limit
	Log           *accesslog.Filter // of the ended exchanges that go to the access log; nil: none
	Streams       *stream.Config    // of connections of HTTP/2; nil: it is not spoken
	ClearHTTP2    bool              // also where nothing has been agreed on
	Without       [4]bool           // by version of HTTP, 2 and 3: it is not spoken, and connections from before a reload take no further request
	CapturedAt    uint16            // the listener's own port, if clients come to it that wanted to go elsewhere; 0: none do
	Closing       bool              // the listener is gone: connections end with their next answer
	AltSvc        []byte            // the field line that tells clients of HTTP/3 (RFC 7838); nil: it is not spoken
	Policies      *site.Policies    // what sites need of their clients' TLS; nil: what the listener asks for is enough for all
	HalfClosed    bool              // clients may finish sending and wait for their answer
	Challenge     Challenge         // answers authorities that want to see whose name it is; nil: none come
}

// Public is how clients reach a listener whose address or TLS something in front of it translates. What is empty is as it looks from here.
type Public struct {
	Scheme                string
	Authority, Host, Port []byte
}

// Driver is what all exchanges of one weir share. Immutable but for what belongs to loops.
type Driver struct {
	loops     []*perLoop
	pseudonym []byte // by which weir knows requests that come back to it
	// Fault is called as every stage begins, if it is set: how tests inject panics. Set before the first exchange.
	Fault    func(Stage)
	draining atomic.Uint32 // drainAll, drainSome or 0
}

// NewDriver makes the driver for the loops of an engine.
func NewDriver(e *engine.Engine) *Driver {
	d := &Driver{pseudonym: newPseudonym()}
	for _, l := range e.Loops() {
		p := &perLoop{driver: d, loop: l, files: fileCache{loop: l}, Ring: accesslog.NewRing(1 << 20)}
		l.OnTrim(p.trim)
		l.OnShort(func(list []engine.Spare) []engine.Spare { return p.spares(list, nil) })
		d.loops = append(d.loops, p)
	}
	return d
}

// Rings returns the access log's rings, one per loop.
func (d *Driver) Rings() []*accesslog.Ring {
	var rings []*accesslog.Ring
	for _, p := range d.loops {
		rings = append(rings, p.Ring)
	}
	return rings
}

// Stats copies a loop's counters. On that loop.
func (d *Driver) Stats(loop int) Stats { return d.loops[loop].Stats }

// Stats are what one loop counts of exchanges.
type Stats struct {
	Clients      int64  // client connections open
	Accepted     uint64 // client connections seen
	Requests     uint64
	Active       int64     // exchanges under way, tunnels included
	Tunnels      int64     // of them, those that became tunnels
	Status       [6]uint64 // answers by class: Status[2] is 2xx
	Reasons      [reason.Count]uint64
	Received     uint64 // bytes from clients
	Sent         uint64 // bytes to clients
	Retries      uint64
	LogDrops     uint64 // log records that found no room
	Spills       uint64 // bodies that a file was opened for
	SpillsFailed uint64 // bodies for which there was no file, or no room in it
}

// perLoop is a loop's share of the driver. Owned by its loop.
type perLoop struct {
	driver      *Driver
	loop        *engine.Loop
	files       fileCache
	free        []*Exchange
	active      *Exchange             // the first of those in progress
	freeLow     int                   // the fewest in free since the last trim
	openStreams []*openStream         // to be used again
	shadows     int                   // copies of requests under way
	sessions    *session              // all client connections of the loop
	relieveAt   int64                 // ms: when relieve may look at them again
	roomAt      int64                 // ms: likewise, for room on a listener
	passOn      func(s *session) bool // gives a connection at rest to the process that takes over; nil: there is none
	Stats       Stats
	Ring        *accesslog.Ring
	record      []byte // scratch for heads and log records, never kept over a wait
	detail      []byte
	names       [4][]byte
	date        []byte // "Date: …\r\n"
	dateAt      int64  // second it is of
}

const exchangesKept = 1024

func (p *perLoop) take() *Exchange {
	p.Stats.Active++
	p.loop.Hold(exchangeHeld)
	p.relieve()
	x := p.borrow()
	p.linkActive(x)
	return x
}

// borrow is take for an exchange that is none of a client's.
func (p *perLoop) borrow() *Exchange {
	if n := len(p.free); n > 0 {
		x := p.free[n-1]
		p.free[n-1] = nil
		p.free = p.free[:n-1]
		p.freeLow = min(p.freeLow, n-1)
		return x
	}
	return newExchange(p.driver, p)
}

// give takes back an exchange that is finished, with its buffers.
func (p *perLoop) give(x *Exchange) {
	p.Stats.Active--
	p.unlinkActive(x)
	p.loop.Hold(-exchangeHeld)
	p.giveBack(x)
}

func (p *perLoop) giveBack(x *Exchange) {
	x.releaseAll()
	x.forget()
	if len(p.free) < exchangesKept {
		p.free = append(p.free, x)
	}
}

// trim gives up what nobody has needed since the last call.
func (p *perLoop) trim() {
	n := len(p.free) - p.freeLow
	clear(p.free[n:])
	p.free = p.free[:n]
	p.freeLow = n
	p.openStreams = nil
}

// dateLine returns the Date field line of this second.
func (p *perLoop) dateLine() []byte {
	second := p.loop.Now() / 1000
	if second != p.dateAt || p.date == nil {
		p.dateAt = second
		p.date = append(p.date[:0], "Date: "...)
		p.date = p.loop.Time(p.loop.Micros()).UTC().AppendFormat(p.date, "Mon, 02 Jan 2006 15:04:05 GMT")
		p.date = append(p.date, "\r\n"...)
	}
	return p.date
}

// HTTP serves the connections of one listener. Its setup may be swapped at any time from any goroutine.
type HTTP struct {
	driver *Driver
	setup  atomic.Pointer[Setup]
	counts []openCount
}

type openCount struct {
	n int64
	_ [56]byte
}

// NewHTTP makes the handler of a listener.
func (d *Driver) NewHTTP(setup *Setup) *HTTP {
	h := &HTTP{driver: d, counts: make([]openCount, len(d.loops))}
	h.setup.Store(setup)
	return h
}

// Swap replaces the setup: exchanges under way end under the one they began with.
func (h *HTTP) Swap(setup *Setup) { h.setup.Store(setup) }

// Setup returns the current setup.
func (h *HTTP) Setup() *Setup { return h.setup.Load() }

// Open is the number of connections the loop has for this listener. On that loop.
func (h *HTTP) Open(loop int) int64 { return h.counts[loop].n }

func (h *HTTP) open(p *perLoop, n int64) { h.counts[p.loop.Index].n += n }

// Refused counts a connection that was refused before it became a session. On the loop.
func (h *HTTP) Refused(l *engine.Loop, why reason.Reason) {
	h.driver.loops[l.Index].Stats.Reasons[why]++
}

// newSession begins what the loop keeps of a client connection.
func (h *HTTP) newSession(p *perLoop, c engine.Conn, handshake *filter.Handshake, setup *Setup) *session {
	s := &session{}
	h.begin(s, p, c, handshake, setup)
	return s
}

func (h *HTTP) begin(s *session, p *perLoop, c engine.Conn, handshake *filter.Handshake, setup *Setup) {
	s.http, s.at, s.conn, s.peer, s.secure, s.tls = h, p, c, c.RemoteAddr().Addr(), setup.Secure, handshake
	if s.peer.IsValid() {
		s.peerLen = uint8(len(s.peer.WithZone("").AppendTo(s.peerText[:0])))
	}
	s.since = p.loop.Now()
	p.Stats.Clients++
	h.open(p, 1)
	p.link(s)
}

// Serve takes a new connection in clear text.
func (h *HTTP) Serve(c engine.Conn) { h.ServeTLS(c, nil, nil) }

// ServeTLS takes a new connection with what its TLS has settled, nil for one in clear text, and what another proxy has told of it.
func (h *HTTP) ServeTLS(c engine.Conn, handshake *filter.Handshake, told proxyproto.TLVs) {
	p := h.driver.loops[c.Loop().Index]
	setup := h.setup.Load()
	if !h.hasRoom(c, setup) {
		c.SetWriteTimeout(time.Second)
		c.Write([]byte("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
		lingerClose(c)
		c.Close()
		return
	}
	s := h.newSession(p, c, handshake, setup)
	s.told = kept(told)
	p.Stats.Accepted++
	c.SetReadTimeout(setup.Header)
	defer func() {
		if r := recover(); r != nil {
			s.Panicked()
			panic(r) // the loop ends the connection and reports the stack
		}
	}()
	s.Serve(c)
}
