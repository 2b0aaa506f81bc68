package tls

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/weir-proxy/weir/engine"
)

// Conn is a TLS connection. Owned by its loop.
type Conn struct {
	raw     engine.Conn
	tls     *tls.Conn
	handler engine.Handler // who waits for the next bytes
	running engine.Handler // who was called last

	in      []byte // ciphertext that crypto/tls has not been given: in[inFrom:inTo]; nil while there is none
	inFrom  int
	inTo    int
	left    int  // bytes of the running record that crypto/tls has not been given
	maybe   bool // the last Read filled its buffer: there may be more plaintext inside
	peeked  bool // one holds a byte that Await found inside
	one     [1]byte
	out     []byte
	outLen  int
	sending bool // a flush is under way
	closing bool
	mute    bool // the write side was closed without close_notify
	watcher engine.Watcher
	reading bool          // a coroutine is in Read
	looking bool          // what came is being looked at, for the watcher
	cut     bool          // the peer's end came without close_notify
	readFor time.Duration // of the last SetReadTimeout
	policy  *Policy       // of Terms
	print   []byte        // of the ClientHello

	// Crowd, if set before the handshake, is how many handshakes are under way on the loop; see rsaSigner.
	Crowd *int
}

// Server makes c a server's connection; Handshake completes it.
func Server(c engine.Conn, config *tls.Config) *Conn {
	s := &Conn{raw: c}
	s.tls = tls.Server((*pipe)(s), config)
	return s
}

// Client makes c a client's connection; Handshake completes it.
func Client(c engine.Conn, config *tls.Config) *Conn {
	s := &Conn{raw: c}
	s.tls = tls.Client((*pipe)(s), config)
	return s
}

// Handshake does the handshake; it parks. The connection's timeouts bound each of its waits.
func (c *Conn) Handshake() error {
	err := c.tls.Handshake()
	if ferr := c.flush(); err == nil {
		err = ferr
	}
	if err != nil {
		c.release() // whoever closes a connection that never was one closes the raw one
	}
	return plain(err)
}

// State is what was negotiated.
func (c *Conn) State() tls.ConnectionState { return c.tls.ConnectionState() }

// Protocol is what the two ends have agreed to speak (ALPN); "" if nothing was said.
func (c *Conn) Protocol() string { return c.tls.ConnectionState().NegotiatedProtocol }

func (c *Conn) Read(p []byte) (int, error) {
	for c.looking {
		c.raw.Loop().Yield()
	}
	return c.read(p)
}

func (c *Conn) read(p []byte) (int, error) {
	if c.peeked {
		return c.readPeeked(p), nil
	}
	c.reading = true
	n, err := c.tls.Read(p)
	c.reading = false
	if c.outLen > 0 { // answers of the protocol's own, such as key updates
		if ferr := c.flush(); err == nil && n == 0 {
			err = ferr
		}
	}
	c.maybe = n == len(p) || n > 0 && err != nil // crypto/tls says with the last bytes that there are no more
	if n > 0 {
		return n, nil
	}
	if err == io.EOF && c.cut {
		// crypto/tls takes an end without close_notify for an end. RFC 9112 section 9.8: a response that only the end of its connection
		// delimits, and whose connection ended so, "MUST" be treated as incomplete.
		err = io.ErrUnexpectedEOF
	}
	return 0, plain(err)
}

// writePiece keeps what is encrypted at a time within one buffer of 64 KiB.
const writePiece = 48 << 10

func (c *Conn) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		n, err := c.tls.Write(p[done:min(len(p), done+writePiece)])
		if ferr := c.flush(); err == nil {
			err = ferr
		}
		if err != nil {
			return done, plain(err)
		}
		done += n
	}
	return done, nil
}

// WriteBuffers encrypts both and sends them together.
func (c *Conn) WriteBuffers(a, b []byte) (int, error) {
	if len(a)+len(b) > writePiece {
		n, err := c.Write(a)
		if err != nil {
			return n, err
		}
		m, err := c.Write(b)
		return n + m, err
	}
	n, err := c.tls.Write(a)
	if err == nil {
		var m int
		m, err = c.tls.Write(b)
		n += m
	}
	if ferr := c.flush(); err == nil {
		err = ferr
	}
	return n, plain(err)
}

// answersMost bounds the protocol's own answers that wait for a peer that asks for them, and reads nothing.
const answersMost = 64 << 10

var errUnread = errors.New("tls: the peer asks for answers and does not read them")

// flush sends what crypto/tls has written. Who reads and who writes may both come here: whoever is sending sends what the other adds,
// since records must leave in their order and only one coroutine can wait for room.
func (c *Conn) flush() error {
	if c.sending {
		if c.outLen > answersMost {
			return errUnread
		}
		return nil
	}
	for c.outLen > 0 {
		out, n := c.out, c.outLen
		c.out, c.outLen = nil, 0
		c.sending = true
		_, err := c.raw.Write(out[:n])
		c.sending = false
		c.raw.Loop().Release(out)
		if err != nil {
			return err
		}
	}
	return nil
}

// Await runs h when bytes come; at once when some are inside already. Whether some are is settled here: a handler that was started to
// find nothing would hold a stack and a buffer for an idle connection, or be started again and again.
func (c *Conn) Await(h engine.Handler) {
	for c.reading { // a look, which waits only where loops are locks
		c.raw.Loop().Yield()
	}
	if c.peeked || (c.maybe || c.inTo > c.inFrom) && !c.isDry() {
		c.raw.Loop().Start(h, c)
		return
	}
	c.handler = h
	c.raw.Await(c)
}

// isDry takes a byte out of crypto/tls if there is one, without waiting.
func (c *Conn) isDry() bool {
	c.raw.SetReadTimeout(0)
	n, err := c.read(c.one[:])
	c.raw.SetReadTimeout(c.readFor)
	c.peeked = n > 0
	return n == 0 && errors.Is(err, engine.ErrTimeout)
}

// readPeeked returns the byte that isDry has taken, with what else is inside.
func (c *Conn) readPeeked(p []byte) int {
	c.peeked = false
	p[0] = c.one[0]
	if len(p) == 1 {
		return 1
	}
	c.raw.SetReadTimeout(0)
	n, err := c.tls.Read(p[1:]) // an error is one that crypto/tls repeats, or that there is nothing now
	c.raw.SetReadTimeout(c.readFor)
	c.maybe = n == len(p)-1 || err != nil && !errors.Is(err, engine.ErrTimeout)
	return 1 + n
}

// Serve passes the raw connection's event on.
func (c *Conn) Serve(engine.Conn) {
	h := c.handler
	c.handler, c.running = nil, h
	if h != nil {
		h.Serve(c)
	}
}

// Panicked passes the end of a panicked handler on.
func (c *Conn) Panicked() {
	if p, ok := c.running.(interface{ Panicked() }); ok {
		p.Panicked()
	}
}

func (c *Conn) Reclaim() bool {
	if c.handler == nil || !c.raw.Reclaim() {
		return false
	}
	c.handler = nil
	return true
}

// IsIdle takes in what the protocol itself sent, session tickets above all, without waiting.
func (c *Conn) IsIdle() bool {
	if c.peeked {
		return false
	}
	if !c.maybe && c.inTo == c.inFrom && c.raw.IsIdle() {
		return true
	}
	var one [1]byte
	c.raw.SetReadTimeout(time.Millisecond) // package net gives nothing out at a deadline that has passed
	n, err := c.Read(one[:])
	return n == 0 && errors.Is(err, engine.ErrTimeout)
}

func (c *Conn) CloseWrite() error {
	err := c.tls.CloseWrite()
	if ferr := c.flush(); err == nil {
		err = ferr
	}
	if err == nil {
		err = c.raw.CloseWrite()
	}
	return err
}

// CloseWriteMute is CloseWrite without close_notify, so that the peer can see that the data may be truncated.
func (c *Conn) CloseWriteMute() error {
	c.mute = true
	return c.raw.CloseWrite()
}

// Close ends the connection; the peer is told by close_notify when that needs no waiting.
func (c *Conn) Close() error {
	if c.tls.ConnectionState().HandshakeComplete && !c.closing && !c.mute {
		c.closing = true
		c.tls.CloseWrite()
		c.raw.SetWriteTimeout(0)
		c.flush()
	}
	c.release()
	return c.raw.Close()
}

// Reset ends the connection without close_notify.
func (c *Conn) Reset() error {
	c.release()
	return c.raw.Reset()
}

func (c *Conn) release() {
	l := c.raw.Loop()
	l.Release(c.in)
	l.Release(c.out)
	c.in, c.out, c.inFrom, c.inTo, c.outLen = nil, nil, 0, 0, 0
}

func (c *Conn) SetReadTimeout(d time.Duration) {
	c.readFor = d
	c.raw.SetReadTimeout(d)
}

func (c *Conn) SetWriteTimeout(d time.Duration) { c.raw.SetWriteTimeout(d) }
func (c *Conn) Interrupt()                      { c.raw.Interrupt() }
func (c *Conn) ClearInterrupt()                 { c.raw.ClearInterrupt() }
func (c *Conn) IsGone() bool                    { return c.raw.IsGone() }
func (c *Conn) LocalAddr() netip.AddrPort       { return c.raw.LocalAddr() }
func (c *Conn) RemoteAddr() netip.AddrPort      { return c.raw.RemoteAddr() }
func (c *Conn) Loop() *engine.Loop              { return c.raw.Loop() }

// again is a wait that ended without harm: crypto/tls keeps every other error for ever.
type again struct{ error }

func (again) Timeout() bool   { return true }
func (again) Temporary() bool { return true }
func (a again) Unwrap() error { return a.error }

var (
	againTimeout     = again{engine.ErrTimeout}
	againInterrupted = again{engine.ErrInterrupted}
)

// plain turns an error back into the engine's.
func plain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, engine.ErrTimeout):
		return engine.ErrTimeout
	case errors.Is(err, engine.ErrInterrupted):
		return engine.ErrInterrupted
	}
	return err
}

// pipe is the side of a Conn that crypto/tls sees.
type pipe Conn

const recordHeader = 5

// Read gives crypto/tls bytes of one record and no further.
func (p *pipe) Read(b []byte) (int, error) {
	c := (*Conn)(p)
	if c.outLen > 0 {
		// A handshake's flight goes out before its answer is waited for.
		if err := c.flush(); err != nil {
			return 0, temporary(err)
		}
	}
	if err := c.fill(); err != nil {
		c.cut = c.cut || err == io.EOF
		return 0, temporary(err)
	}
	if c.left == 0 {
		c.left = recordHeader + int(binary.BigEndian.Uint16(c.in[c.inFrom+3:]))
	}
	n := copy(b, c.in[c.inFrom:min(c.inTo, c.inFrom+c.left)])
	c.inFrom += n
	c.left -= n
	if c.inFrom == c.inTo {
		c.raw.Loop().Release(c.in)
		c.in, c.inFrom, c.inTo = nil, 0, 0
	}
	return n, nil
}

// fill reads until there is something to give: part of the running record, or the header of the next.
func (c *Conn) fill() error {
	for {
		have := c.inTo - c.inFrom
		if c.left > 0 && have > 0 || have >= recordHeader {
			return nil
		}
		if c.in == nil {
			if err := engine.WaitArrival(c.raw); err != nil {
				return err
			}
			c.in = c.raw.Loop().Buffer(engine.Buffer16K)
			c.inFrom, c.inTo = 0, 0
		}
		if c.inTo == len(c.in) || c.inFrom > 0 && have < recordHeader {
			c.inTo = copy(c.in, c.in[c.inFrom:c.inTo])
			c.inFrom = 0
		}
		n, err := c.raw.Read(c.in[c.inTo:])
		if err != nil {
			if have == 0 {
				c.raw.Loop().Release(c.in)
				c.in = nil
			}
			return err
		}
		c.inTo += n
	}
}

// Write keeps ciphertext until the next flush.
func (p *pipe) Write(b []byte) (int, error) {
	l := p.raw.Loop()
	if p.out == nil {
		p.out = l.Buffer(len(b))
	} else if p.outLen+len(b) > len(p.out) {
		larger := l.Buffer(max(2*len(p.out), p.outLen+len(b)))
		copy(larger, p.out[:p.outLen])
		l.Release(p.out)
		p.out = larger
	}
	p.outLen += copy(p.out[p.outLen:], b)
	return len(b), nil
}

func temporary(err error) error {
	switch err {
	case engine.ErrTimeout:
		return againTimeout
	case engine.ErrInterrupted:
		return againInterrupted
	}
	return err
}

func (p *pipe) Close() error                     { return nil }
func (p *pipe) LocalAddr() net.Addr              { return net.TCPAddrFromAddrPort(p.raw.LocalAddr()) }
func (p *pipe) RemoteAddr() net.Addr             { return net.TCPAddrFromAddrPort(p.raw.RemoteAddr()) }
func (p *pipe) SetDeadline(time.Time) error      { return nil }
func (p *pipe) SetReadDeadline(time.Time) error  { return nil }
func (p *pipe) SetWriteDeadline(time.Time) error { return nil }
