package quic

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/http2"
	"github.com/weir-proxy/weir/wire/http3"
)

// Config is what holds for the connections of a listener or a pool. Immutable.
type Config struct {
	Limits *http1.Limits
	Header time.Duration // a client's head, from the stream's first byte to its last
	Send   time.Duration // pause in which the peer takes nothing
	Waits  bool          // no request is taken before the handshake has ended: who asks must be known for sure
	Idle   time.Duration // a server's connection without a stream
	TLS    TLS           // to servers
}

// Owner is who a connection works for. Both are called on its loop.
type Owner interface {
	// Open takes a stream that the client has opened. Its head is complete.
	Open(s *Stream)
	// Ended is called once: the connection is closed.
	Ended(c *Conn)
}

// Conn is a connection of HTTP/3. What is below the line is owned by its loop.
type Conn struct {
	raw      *quicgo.Conn
	loop     *engine.Loop
	config   *Config
	local    netip.AddrPort
	remote   netip.AddrPort
	toServer bool         // weir is the client of it
	highest  atomic.Int64 // the last stream that was taken; -1: none was
	control  atomic.Pointer[quicgo.SendStream]
	readers  sync.WaitGroup
	isClosed atomic.Bool                 // weir has begun to close it: nothing further is read
	ending   atomic.Pointer[EndingError] // why weir closes it; nil: it does not
	account  account
	openErr  error  // why the last stream to a server was not opened; nil: it was
	goneFrom uint64 // the peer's last GOAWAY: a server processes no stream from there on; of the goroutine that reads its control stream
	pushMost uint64 // the client's MAX_PUSH_ID; of the same goroutine

	owner    Owner
	running  int          // streams whose exchange has not ended
	late     int          // streams whose exchange has ended, and that are not sent yet
	pieces   int          // in use by its streams
	held     int          // bytes of content that wait to be read
	given    uint64       // bytes that quic-go was handed
	bringers atomic.Int32 // streams that bring content
	asked    bool         // the client was told to ask nothing further
	parting  engine.Alarm
	partBy   int64  // ms: when the connection is closed whatever was sent
	packets  uint64 // that had been sent when the alarm was set
	leaving  bool
	beyond   uint64 // while leaving: the first request that is refused
	ended    bool
	restAt   int64 // ms: when the last exchange ended

	// To a server.
	streams     []*Stream // in use
	served      int       // streams opened in all
	asking      []*Stream // that wait for the server's settings
	hasSettings bool
	canConnect  bool // the server understands extended CONNECT
	resting     engine.Alarm
	isResting   bool // the alarm is set
	silence     silence
	watching    engine.Alarm
	isWatched   bool // the alarm is set
	doubting    engine.Alarm
	isDoubted   bool // the alarm is set
}

// New makes a client's connection for a loop.
func New(raw *quicgo.Conn, l *engine.Loop, config *Config, local, remote netip.AddrPort) *Conn {
	c := &Conn{raw: raw, loop: l, config: config, local: local, remote: remote, goneFrom: 1 << 62}
	c.highest.Store(-1)
	return c
}

// Begin says who the connection works for. On its loop, before Serve is called.
func (c *Conn) Begin(owner Owner) { c.owner = owner }

// Refuse ends a connection that nobody has room for.
func (c *Conn) Refuse() {
	c.raw.CloseWithError(quicgo.ApplicationErrorCode(http3.ExcessiveLoad), "connections")
}

// Serve takes streams until the connection ends. On a goroutine of its own.
func (c *Conn) Serve() {
	c.begin()
	ctx := c.raw.Context()
	for {
		raw, err := c.raw.AcceptStream(ctx)
		if err != nil {
			break
		}
		if c.isClosed.Load() {
			continue // until quic-go has closed it
		}
		c.highest.Store(int64(raw.StreamID()))
		c.read(func() { c.request(raw) })
	}
	<-ctx.Done()
	c.readers.Wait()
	c.loop.Post(func() {
		c.ended = true
		if c.owner != nil {
			c.owner.Ended(c)
		}
	})
}

// begin opens and takes the streams that concern the whole connection.
func (c *Conn) begin() {
	c.read(c.sendControl)
	c.read(c.takeUnidirectional)
}

// read runs f on a goroutine of its own. A panic ends the connection, and nothing else.
func (c *Conn) read(f func()) { c.readers.Go(func() { c.loop.Guard(f, c.failed) }) }

// failed ends the connection after a panic.
func (c *Conn) failed() { c.fail(http3.InternalError, "") }

// sendControl opens weir's control stream. RFC 9114 section 6.2.1: "Each side MUST initiate a single control stream at the beginning of the connection and send
// its SETTINGS frame as the first frame on this stream."
func (c *Conn) sendControl() {
	s, err := c.raw.OpenUniStreamSync(c.raw.Context())
	if err != nil {
		return
	}
	if _, err := s.Write(http3.AppendControl(nil, c.config.Limits.HeadMost(), !c.toServer)); err == nil {
		c.control.Store(s)
		// RFC 9114 section 6.2.1: "the receiver MUST NOT request that the sender close the control stream. If either control stream is closed at any point, this MUST be treated as a
		// connection error of type H3_CLOSED_CRITICAL_STREAM."
		context.AfterFunc(s.Context(), func() {
			if isStreamsEnd(context.Cause(s.Context())) {
				c.fail(http3.ClosedCriticalStream, "")
			}
		})
	}
}

// Fault is why weir has closed a connection that has ended; http3.NoError: the peer has, or nobody is to blame.
func (c *Conn) Fault() (code http3.Code, why string) {
	var closed *quicgo.ApplicationError
	if errors.As(context.Cause(c.raw.Context()), &closed) && !closed.Remote {
		return http3.Code(closed.ErrorCode), closed.ErrorMessage
	}
	return http3.NoError, ""
}

// fail ends the connection because of what the peer has sent. Any goroutine may call it; it does not wait. The first call counts: a peer that breaks a rule a thousand times starts one
// goroutine, not a thousand.
func (c *Conn) fail(code http3.Code, why string) {
	if !c.isClosed.Load() && c.ending.CompareAndSwap(nil, &EndingError{Code: code, Why: why}) {
		c.isClosed.Store(true)
		go c.raw.CloseWithError(quicgo.ApplicationErrorCode(code), why)
	}
}

// isEarly reports whether the handshake has not ended, so that what has come may be a replay.
func (c *Conn) isEarly() bool {
	select {
	case <-c.raw.HandshakeComplete():
		return false
	default:
		return true
	}
}

// Settle waits for the end of the handshake; false if there was none.
func (c *Conn) Settle() bool { return c.settle() }

// settle waits for the end of the handshake; false if there was none.
func (c *Conn) settle() bool {
	select {
	case <-c.raw.HandshakeComplete():
		return true
	case <-c.raw.Context().Done():
		return false
	}
}

// open takes a stream whose head is complete. On the loop.
func (c *Conn) open(s *Stream) {
	if c.ended || c.isClosed.Load() || c.leaving && uint64(s.raw.StreamID()) >= c.beyond {
		s.refuse(http3.RequestRejected)
		return
	}
	if c.loop.IsFull() && c.running >= fewStreams {
		s.refuse(http3.RequestRejected) // RFC 9114 section 4.1.1: the client may ask again
		c.spend(http2.GlitchUnknown)
		return
	}
	c.running++
	c.loop.Hold(streamHeld)
	s.watch = context.AfterFunc(s.raw.Context(), func() {
		c.loop.Post(func() {
			if !s.closed { // by weir itself
				s.lose(c.lossOf(context.Cause(s.raw.Context())))
			}
		})
	})
	c.owner.Open(s)
}

// fewStreams is how many requests a client may have under way whatever the loop holds.
const fewStreams = 8

// Leave lets what is under way end, takes nothing further, and closes. RFC 9114 section 5.2: "An endpoint that is attempting to gracefully shut down a connection can
// send a GOAWAY frame with a value set to the maximum possible value (2^62-4 for servers …). … After allowing time for any in-flight requests or pushes to arrive, the
// endpoint can send another GOAWAY frame indicating which requests or pushes it might accept before the end of the connection. This ensures that a connection can be
// cleanly shut down without losing requests."
func (c *Conn) Leave(http2.Code) {
	switch {
	case c.asked || c.leaving || c.ended:
	case c.toServer:
		c.leaveNow()
	default:
		c.asked = true
		c.sendGoAway(1<<62 - 4)
		grace := min(max(3*c.raw.ConnectionStats().SmoothedRTT, leastGrace), mostGrace)
		c.parting.Set(c.loop, grace, (*forewarned)(c))
	}
}

// leastGrace and mostGrace bound how long requests may still arrive that were sent before their client knew: three round trips, in case a packet is lost.
const (
	leastGrace = 100 * time.Millisecond
	mostGrace  = time.Second
)

// forewarned is a connection whose client has been told that it is left.
type forewarned Conn

// Run leaves it.
func (f *forewarned) Run() { (*Conn)(f).leaveNow() }

// leaveNow says what was taken. RFC 9114 section 5.2: "the GOAWAY frame contains an identifier that indicates to the receiver the range of requests … that were or
// might be processed"; what lies above is refused and can be sent elsewhere.
func (c *Conn) leaveNow() {
	if c.leaving || c.ended {
		return
	}
	c.leaving, c.beyond = true, uint64(c.highest.Load()+4)&^3
	if !c.toServer {
		c.sendGoAway(c.beyond)
	}
	c.closeIfDone()
}

func (c *Conn) sendGoAway(from uint64) {
	if s := c.control.Load(); s != nil {
		id := http3.AppendVarint(nil, from)
		s.TryWriteAll(append(http3.AppendHeader(nil, http3.FrameGoAway, len(id)), id...))
	}
}

// Held is how many bytes the connection itself holds, besides what its exchanges do.
func (c *Conn) Held() int {
	return c.pieces*outMost + c.held + max(0, c.running-plainStreams)*streamHeld
}

// plainStreams are what anybody may have under way without being taken for heavy: a stream costs more here than in other versions, for which its client can do nothing.
const plainStreams = 4

// streamHeld is what a stream holds besides pieces and content: the stacks of the goroutines that read and send it, two small buffers, and what quic-go keeps of it.
const streamHeld = 64 << 10

// Cut ends everything at once.
func (c *Conn) Cut() { c.fail(http3.NoError, "") }

// finished settles the end of a stream's use.
func (c *Conn) finished(s *Stream) {
	c.running--
	c.loop.Hold(-streamHeld)
	c.restAt = c.loop.Now()
	if c.toServer {
		c.forget(s)
		c.rest()
	}
	c.closeIfDone()
}

// What was sent last has to arrive before the connection is closed, which would take it back. Nobody says when it has; but as long as it has not, it is sent again and
// again. So the connection is closed when for the time of farewell nothing was sent, and after farewellMost whatever happens.
const (
	farewell     = 500 * time.Millisecond
	farewellMost = 10 * time.Second
)

func (c *Conn) closeIfDone() {
	if !c.leaving || c.running > 0 || c.late > 0 || c.ended {
		return
	}
	if c.toServer { // all that was asked is answered
		c.fail(http3.NoError, "")
		return
	}
	wait := farewell - time.Duration(c.loop.Now()-c.restAt)*time.Millisecond
	if c.restAt == 0 || wait < 0 {
		wait = 10 * time.Millisecond // for the GOAWAY
	}
	c.partBy, c.packets = c.loop.Now()+farewellMost.Milliseconds(), c.raw.ConnectionStats().PacketsSent
	c.parting.Set(c.loop, wait, (*parted)(c))
}

// parted is a connection whose farewell may be over.
type parted Conn

// Run closes it, unless something has come meanwhile that was taken before, or something was sent.
func (p *parted) Run() {
	c := (*Conn)(p)
	if c.running > 0 || c.late > 0 || c.ended {
		return
	}
	if sent := c.raw.ConnectionStats().PacketsSent; sent != c.packets && c.loop.Now() < c.partBy {
		c.packets = sent
		c.parting.Set(c.loop, farewell, p)
		return
	}
	c.Cut()
}

// Ends tells whoever wants an engine.Conn who is at both ends of the connection, and nothing else.
func (c *Conn) Ends() engine.Conn { return ends{c: c} }

type ends struct {
	engine.Conn
	c *Conn
}

func (e ends) Loop() *engine.Loop         { return e.c.loop }
func (e ends) LocalAddr() netip.AddrPort  { return e.c.local }
func (e ends) RemoteAddr() netip.AddrPort { return e.c.remote }
