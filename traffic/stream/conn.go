package stream

import (
	"io"
	"time"

	"golang.org/x/net/http2/hpack"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/http2"
)

// Config is what holds for the connections of a listener or a pool. Immutable.
type Config struct {
	Limits     *http1.Limits
	MaxStreams int           // that a client may have open; 0: DefaultMaxStreams
	Header     time.Duration // a head, from its first byte to its last
	Send       time.Duration // pause in which the peer takes nothing
	Idle       time.Duration // a connection without a stream
}

// DefaultMaxStreams is what RFC 9113 section 6.5.2 recommends at least.
const DefaultMaxStreams = 128

// Owner is who a connection works for. Both are called on its loop.
type Owner interface {
	// Open takes a stream that the client has opened. Its head is complete.
	Open(s *Stream)
	// Ended is called once: the connection is closed. Streams that were open are told by themselves.
	Ended(c *Conn)
}

// Conn is a connection of HTTP/2. Owned by its loop.
type Conn struct {
	raw      engine.Conn
	loop     *engine.Loop
	config   *Config
	owner    Owner
	toServer bool // weir is the client of it

	// What is read.
	in          []byte // in[inFrom:inTo] is not used yet; nil while there is none
	inFrom      int
	inTo        int
	prefaced    bool // the client's preface is here
	hasSettings bool
	began       int64  // ms: when the first byte of something unfinished came that is timed; 0: nothing is
	block       []byte // of a head whose end has not come
	blockHeader http2.Header
	blockFrames int
	content     content // a DATA frame that is not complete
	decoder     *hpack.Decoder
	layout      *http2.Layout

	// What is written.
	out        []byte // frames of this turn; nil while there are none
	outTurn    uint32 // which out it is: a frame may be changed while it is still in it
	willFlush  bool
	flushing   bool
	asking     []*Stream // that wait for the peer's settings
	waiting    []*Stream // that have content for which there is no room
	tableSaid  bool
	sendWindow http2.Window

	ours, theirs http2.Settings
	recvWindow   http2.Window
	window       int // what recvWindow is opened to
	learned      int // the widest window that a stream has needed
	held         int // bytes of content received and not read
	heads        int // bytes of the heads of requests that are under way

	ids     []uint32 // of streams, in the same order: what is looked up is close together
	streams []*Stream
	past    *past
	spares  []*Stream // to be used again
	last    uint32    // the highest stream that the peer has opened, or weir
	most    int       // streams open at once until now
	running int       // streams whose exchange has not ended
	served  int       // streams opened in all
	budget  http2.Budget

	leaving    bool // no further stream is opened: GOAWAY was sent or has come
	hasLeft    bool // the peer was told which of its streams was the last
	asked      bool // the client has been asked to open no further ones, and may not know it yet
	reading    bool // Serve is in a read
	closing    bool // what is in out is the last
	ended      bool
	waitsFor   bool  // an acknowledgement of a PING
	quietSince int64 // ms: since when nothing has come, no stream has begun and the last one has not ended
	pings      int   // PINGs at short intervals since the server last sent a part of a response
	asksMore   bool  // a stream has begun since the last PING
	err        error // why it ended
	Why        string

	acked     bool         // the peer has acknowledged weir's settings
	lingering []*Stream    // whose response is complete and whose request is not, in the order of their end
	patience  engine.Alarm // for the first of them
}

func newConn(raw engine.Conn, config *Config, owner Owner, toServer bool) *Conn {
	c := &Conn{raw: raw, loop: raw.Loop(), config: config, owner: owner, toServer: toServer, ours: http2.InitialSettings(),
		theirs: http2.InitialSettings(), sendWindow: http2.NewWindow(http2.DefaultWindow), recvWindow: http2.NewWindow(connStart), window: connStart}
	c.ours.InitialWindow = windowStart
	c.layout = &http2.Layout{}
	c.decoder = hpack.NewDecoder(tableSize, func(f hpack.HeaderField) {
		if f.Sensitive {
			c.layout.SecretField(f.Name, f.Value)
		} else {
			c.layout.Field(f.Name, f.Value)
		}
		if c.layout.IsTooLarge() {
			c.decoder.SetEmitEnabled(false) // the rest is decoded for the sake of the table alone
		}
	})
	c.quietSince = c.loop.Now()
	return c
}

// tableSize is the size of the decoder's table.
const tableSize = 4096

// Accept makes c a client's connection. begun is what has been read from it already. Serve runs it.
func Accept(raw engine.Conn, config *Config, owner Owner, begun []byte) *Conn {
	c := newConn(raw, config, owner, false)
	c.ours.MaxStreams = DefaultMaxStreams
	if config.MaxStreams > 0 {
		c.ours.MaxStreams = uint32(config.MaxStreams)
	}
	if len(begun) > 0 {
		c.in = c.loop.Buffer(max(len(begun), engine.Buffer16K))
		c.inTo = copy(c.in, begun)
	}
	c.began = c.loop.Now()
	c.room(128)
	c.out = http2.AppendSettings(c.out, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Value: c.ours.MaxStreams},
		http2.Setting{ID: http2.SettingInitialWindowSize, Value: windowStart},
		http2.Setting{ID: http2.SettingMaxHeaderListSize, Value: uint32(config.Limits.HeadMost())},
		http2.Setting{ID: http2.SettingEnableConnect, Value: 1},
		http2.Setting{ID: http2.SettingNoRFC7540Priorities, Value: 1})
	c.openConnWindow()
	return c
}

// Connect makes c a connection to a server, and begins to speak on it. maxStreams is how many the server has allowed on another connection, which holds until it
// speaks on this one; 0 if that is not known.
func Connect(raw engine.Conn, config *Config, owner Owner, maxStreams uint32) *Conn {
	c := newConn(raw, config, owner, true)
	c.prefaced = true
	c.theirs.MaxStreams = 100 // what RFC 9113 section 6.5.2 recommends at least
	if maxStreams > 0 {
		c.theirs.MaxStreams = maxStreams
	}
	c.room(128)
	c.out = append(c.out, http2.Preface...)
	c.out = http2.AppendSettings(c.out, http2.Setting{ID: http2.SettingEnablePush, Value: 0},
		http2.Setting{ID: http2.SettingInitialWindowSize, Value: windowStart},
		http2.Setting{ID: http2.SettingMaxHeaderListSize, Value: uint32(config.Limits.HeadMost())},
		http2.Setting{ID: http2.SettingNoRFC7540Priorities, Value: 1})
	c.openConnWindow()
	c.rest()
	return c
}

// Configure has what follows on the connection go by another configuration than that with which it began. What the peer was told of that, such as MaxStreams, stays.
func (c *Conn) Configure(config *Config) { c.config = config }

// Serve reads and handles what has come, and gives the connection back to its loop.
func (c *Conn) Serve(engine.Conn) {
	for isFirst := true; !c.ended && !c.closing; isFirst = false {
		if c.in == nil {
			c.in = c.loop.Buffer(engine.Buffer16K)
			c.inFrom, c.inTo = 0, 0
		}
		if c.inTo > c.inFrom { // of the connection's beginning, which somebody else has read
			if err := c.frames(); err != nil {
				c.fail(err)
				return
			}
		}
		if c.began != 0 {
			c.raw.SetReadTimeout(max(0, c.config.Header-time.Duration(c.loop.Now()-c.began)*time.Millisecond))
		} else if !isFirst { // else rest has, and its time may be over
			c.raw.SetReadTimeout(c.readTimeout())
		}
		c.reading = true
		n, err := c.raw.Read(c.in[c.inTo:])
		c.reading = false
		if c.closing {
			break
		}
		if err != nil {
			c.readFailed(err)
			return
		}
		filled := c.inTo+n == len(c.in)
		c.inTo += n
		c.quietSince = c.loop.Now()
		if err := c.frames(); err != nil {
			c.fail(err)
			return
		}
		switch {
		case c.began != 0:
		case filled:
			c.loop.Yield() // one that is always ready to be read is not the only one
		default:
			c.rest()
			return
		}
	}
	c.dropIn()
}

// rest waits for the next bytes without a stack and without a buffer.
func (c *Conn) rest() {
	if c.ended || c.closing {
		return
	}
	if c.inTo == c.inFrom {
		c.dropIn()
	} else {
		c.shrinkIn()
	}
	if c.IsIdle() {
		c.spares = nil
	}
	c.raw.SetReadTimeout(c.readTimeout())
	c.raw.Await(c)
}

// shrinkIn keeps what has come of a frame's header in the smallest buffer.
func (c *Conn) shrinkIn() {
	if len(c.in) > engine.Buffer4K && c.inTo-c.inFrom < http2.HeaderLen {
		b := c.loop.Buffer(engine.Buffer4K)
		c.inTo = copy(b, c.in[c.inFrom:c.inTo])
		c.inFrom = 0
		c.loop.Release(c.in)
		c.in = b
	}
}

func (c *Conn) dropIn() {
	if c.reading {
		return // Serve does
	}
	c.loop.Release(c.in)
	c.in, c.inFrom, c.inTo = nil, 0, 0
}

// Liveness of a server's connection: after pingAfter without a byte, while answers are waited for, it is asked for a sign of life, and has pingFor to give one. A server that is well and has
// nothing to say is asked pingsMost times, once more when another request has begun, and from then on every pingRest. Servers of gRPC bear three PINGs that come within five minutes of the one
// before; at the next they end the connection with too_many_pings, unless they have sent a part of a response meanwhile. TCP, too, finds out that a server has vanished, but later.
const (
	pingAfter = 15 * time.Second
	pingFor   = 10 * time.Second
	pingsMost = 2
	pingRest  = 6 * time.Minute
)

// silence is how long the connection may be quiet as it is now.
func (c *Conn) silence() time.Duration {
	switch {
	case c.asked:
		return leaveWait
	case c.IsIdle():
		return c.config.Idle
	case c.waitsFor:
		return pingFor
	case c.toServer && c.mayPingSoon():
		return pingAfter
	case c.toServer:
		return pingRest
	}
	return engine.DefaultTimeout
}

// readTimeout is how long to wait until the connection is looked at again. A stream that begins or ends does not change a wait under way, so no wait is longer than the shortest that could hold after
// such a change.
func (c *Conn) readTimeout() time.Duration {
	left := c.silence() - c.quietFor()
	if !c.asked && !c.waitsFor {
		left = min(left, c.config.Idle)
		if c.toServer {
			left = min(left, pingAfter)
		}
	}
	return left
}

func (c *Conn) quietFor() time.Duration {
	return time.Duration(c.loop.Now()-c.quietSince) * time.Millisecond
}

// readFailed: the peer is gone, or was silent for too long.
func (c *Conn) readFailed(err error) {
	switch {
	case err != engine.ErrTimeout:
		c.end(err)
	case c.began != 0:
		c.fail(&http2.ConnError{Code: http2.EnhanceYourCalm, Why: "head_timeout"})
	case c.quietFor() < c.silence():
		c.rest()
	case c.asked:
		c.leaveNow(http2.NoError)
		c.rest()
	case c.IsIdle():
		c.Leave(http2.NoError)
		c.rest()
	case c.toServer && c.waitsFor:
		c.end(err)
	default:
		if c.toServer {
			c.sendPing()
		}
		c.quietSince = c.loop.Now()
		c.rest() // clients' exchanges have deadlines of their own
	}
}

// mayPingSoon reports whether the server bears another PING shortly after the last.
func (c *Conn) mayPingSoon() bool {
	return c.pings < pingsMost || c.pings == pingsMost && c.asksMore
}

// sendPing asks a server for a sign of life.
func (c *Conn) sendPing() {
	if c.mayPingSoon() {
		c.pings++
	}
	if c.pings >= pingsMost {
		engine.WatchPeer(c.raw)
	}
	c.waitsFor, c.asksMore = true, false
	c.room(17)
	c.out = http2.AppendPing(c.out, false, [8]byte{'w', 'e', 'i', 'r'})
	c.flushLater()
}

// Panicked ends a connection that panicked.
func (c *Conn) Panicked() { c.end(engine.ErrClosed) }

// fail ends the connection because of what the peer has sent: it is told so.
func (c *Conn) fail(err *http2.ConnError) {
	if c.ended || c.closing {
		return
	}
	c.Why, c.err = err.Why, err
	c.room(64)
	c.out = http2.AppendGoAway(c.out, c.last, err.Code, err.Why)
	c.leaving, c.closing = true, true
	c.dropIn()
	c.endStreams(err)
	c.flushLater()
}

// calm ends the connection of a peer that is over its budget.
func (c *Conn) calm(g http2.Glitch) *http2.ConnError {
	return &http2.ConnError{Code: http2.EnhanceYourCalm, Why: "budget_" + g.String()}
}

// spend takes from the peer's budget.
func (c *Conn) spend(g http2.Glitch) *http2.ConnError {
	if c.budget.Spend(g, c.loop.Now()) {
		return nil
	}
	return c.calm(g)
}

// leaveWait is how long a client has to take notice that it should open no further streams; leavePing is how weir learns that it has.
const leaveWait = time.Second

var leavePing = [8]byte{'l', 'e', 'a', 'v', 'i', 'n', 'g'}

// Leave says that no further stream will be opened or taken, and closes the connection when the last one has ended. RFC 9113 section 6.8: "A server that is
// attempting to gracefully shut down a connection SHOULD send an initial GOAWAY frame with the last stream identifier set to 2^31-1 and a NO_ERROR
// code." … "After allowing time for any in-flight stream creation (at least one round-trip time), the server MAY send another GOAWAY frame with an
// updated last stream identifier. This ensures that a connection can be cleanly shut down without losing requests."
func (c *Conn) Leave(code http2.Code) {
	switch {
	case c.ended || c.closing || c.leaving || c.asked:
	case c.toServer || code != http2.NoError:
		c.leaveNow(code)
	default:
		c.asked = true
		c.room(34)
		c.out = http2.AppendGoAway(c.out, 1<<31-1, http2.NoError, "")
		c.out = http2.AppendPing(c.out, false, leavePing)
		c.quietSince = c.loop.Now()
		c.flushLater()
		if c.raw.Reclaim() {
			c.rest() // with another deadline
		}
	}
}

func (c *Conn) leaveNow(code http2.Code) {
	c.leaving, c.asked = true, false
	c.sayGoAway(code)
	c.flushLater()
	c.closeIfDone()
}

// sayGoAway tells the peer which of its streams was the last.
func (c *Conn) sayGoAway(code http2.Code) {
	c.room(17)
	last := c.last
	if c.toServer {
		last = 0 // of those that the server opens
	}
	c.out = http2.AppendGoAway(c.out, last, code, "")
	c.hasLeft = true
}

// closeIfDone closes a connection that is left once nothing is under way. RFC 9113 section 6.8: "Endpoints SHOULD always send a GOAWAY frame before closing a connection so that the
// remote peer can know whether a stream has been partially processed or not", also where it was the peer that began to leave.
func (c *Conn) streamEnded() {
	if c.IsIdle() {
		c.quietSince = c.loop.Now()
	}
	c.closeIfDone()
}

func (c *Conn) closeIfDone() {
	if c.leaving && len(c.streams) == 0 && c.running == 0 && !c.closing {
		if !c.hasLeft {
			c.sayGoAway(http2.NoError)
		}
		c.closing = true
		c.flushLater()
	}
}

// Cut ends everything on the connection at once.
func (c *Conn) Cut() { c.end(engine.ErrInterrupted) }

// end closes the connection; whoever waits on one of its streams is told.
func (c *Conn) end(err error) {
	if c.ended {
		return
	}
	switch err {
	case engine.ErrTimeout:
		err = errSilent
	case io.EOF:
		err = errClosed
	}
	c.ended, c.leaving, c.closing = true, true, true
	if c.err == nil {
		c.err = err
	}
	c.endStreams(err)
	c.patience.Stop()
	c.lingering = nil
	c.raw.Close()
	c.dropIn()
	if !c.flushing {
		c.dropOut()
	}
	c.owner.Ended(c)
}

// endStreams tells all streams that nothing more will come.
func (c *Conn) endStreams(err error) {
	c.waiting = c.waiting[:0]
	for len(c.streams) > 0 {
		s := c.streams[len(c.streams)-1]
		s.state = http2.StateClosed
		s.lose(err)
		c.forget(s)
	}
}

// Held is how many bytes the connection holds, besides what its exchanges do.
func (c *Conn) Held() int { return c.held + cap(c.out) + len(c.in) + cap(c.block) + c.heads }

// mayHold reports whether the connection may take another head of n bytes. A client may have weir hold so much of heads, and none further while the loop has hardly any room and the client
// has some already.
func (c *Conn) mayHold(n int) bool {
	switch {
	case len(c.streams) == 0:
		return true
	case c.heads+n > headsMost:
		return false
	case c.loop.IsFull():
		return c.running < fewStreams && c.heads < fewHeads
	}
	return !c.loop.IsCrowded() || c.heads < headsMost/4
}

// headsMost bounds the heads of the requests that are under way on a connection; fewStreams and fewHeads are what a client may have at any time.
const (
	headsMost  = 1 << 20
	fewStreams = 8
	fewHeads   = 64 << 10
)

// IsIdle reports whether nothing is under way.
func (c *Conn) IsIdle() bool { return c.running == 0 && len(c.streams) == 0 }

// Running is the number of exchanges under way.
func (c *Conn) Running() int { return c.running }

// IsEnded reports whether the connection is closed, or about to be.
func (c *Conn) IsEnded() bool { return c.ended || c.closing }

// Err is why the connection has ended; a *http2.ConnError if the peer is to blame.
func (c *Conn) Err() error { return c.err }
