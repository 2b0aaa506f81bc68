package quic

import (
	"errors"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/wire/http2"
	"github.com/weir-proxy/weir/wire/http3"
)

// This file is a connection to a server: its streams, and how it rests and ends.

// connect makes a connection to a server that stands. release gives its socket back. On the loop.
func connect(raw *quicgo.Conn, l *engine.Loop, config *Config, owner Owner, release func()) *Conn {
	c := New(raw, l, config, AddrPort(raw.LocalAddr()), AddrPort(raw.RemoteAddr()))
	c.toServer, c.owner, c.goneFrom = true, owner, 1<<62
	go c.keep(release)
	return c
}

// keep speaks and hears what concerns the whole connection, until it ends. On a goroutine of its own. Streams of the server's own need no refusal: QUIC has been told that
// there may be none.
func (c *Conn) keep(release func()) {
	c.begin()
	<-c.raw.Context().Done()
	release()
	c.readers.Wait()
	c.loop.Post(func() {
		c.ended = true
		c.resting.Stop()
		c.watching.Stop()
		c.doubting.Stop()
		c.tellSettings()
		c.owner.Ended(c)
	})
}

// Open opens a stream; nil if the server allows none, the connection is about to end, or the server is silent.
func (c *Conn) Open() *Stream {
	if c.leaving || c.ended || c.isSilent() {
		c.openErr = nil
		return nil
	}
	raw, err := c.raw.OpenStream()
	if c.openErr = err; err != nil {
		return nil
	}
	c.noteAsked()
	s := newStream(c, raw)
	s.SetReadTimeout(engine.DefaultTimeout)
	s.SetWriteTimeout(engine.DefaultTimeout)
	s.place = len(c.streams)
	c.streams = append(c.streams, s)
	c.running++
	c.loop.Hold(streamHeld)
	c.served++
	return s
}

// OpenError is why Open returned nil: the connection has failed, as Dial would say it. nil: the server allows no stream or is silent, or the connection is about to end.
func (c *Conn) OpenError() error {
	var limit *quicgo.StreamLimitReachedError
	if errors.As(c.openErr, &limit) {
		return nil
	}
	return dialError(c.openErr)
}

// forget takes a stream out of those in use.
func (c *Conn) forget(s *Stream) {
	last := len(c.streams) - 1
	c.streams[s.place] = c.streams[last]
	c.streams[s.place].place = s.place
	c.streams[last] = nil
	c.streams = c.streams[:last]
}

// Running is the number of streams in use.
func (c *Conn) Running() int { return c.running }

// Served is the number of streams that were opened so far.
func (c *Conn) Served() int { return c.served }

// learn takes the peer's settings.
func (c *Conn) learn(s http3.Settings) {
	c.hasSettings, c.canConnect = true, s.ExtendedConnect
	c.tellSettings()
}

// tellSettings wakes the streams that wait for the server's settings, or will not see any.
func (c *Conn) tellSettings() {
	for _, s := range c.asking {
		s.Arrive()
	}
	c.asking = nil
}

// CanConnect reports whether the server understands extended CONNECT. It waits for the server to say so, at most d. RFC 9220 section 3, by RFC 8441 section 3: a client
// "MUST NOT use" it before.
func (s *Stream) CanConnect(d time.Duration) bool {
	c := s.conn
	for by := c.loop.Now() + d.Milliseconds(); !c.hasSettings && s.err == nil && !c.ended; {
		c.asking = append(c.asking, s)
		if s.WaitArrivalBy(by) != nil {
			break
		}
	}
	return c.canConnect
}

// goaway: RFC 9114 section 5.2: "Requests on the indicated identifier or greater" "are rejected"; "an endpoint MUST NOT initiate new requests … on the connection after
// receipt of a GOAWAY frame from the peer". Those below may still be answered.
func (c *Conn) goaway(from uint64) {
	c.leaving = true
	for _, s := range c.streams {
		if uint64(s.raw.StreamID()) >= from {
			s.refuse(http3.RequestCancelled)
			s.lose(http2.ErrRefused)
		}
	}
	c.closeIfDone()
}

// rest has a connection without a stream end after Config.Idle. The alarm is set once for many exchanges.
func (c *Conn) rest() {
	if c.running == 0 && !c.isResting && !c.leaving && !c.ended {
		c.isResting = true
		c.resting.Set(c.loop, c.config.Idle, (*rested)(c))
	}
}

// rested is a connection whose alarm has gone off.
type rested Conn

// Run closes it, if it has been idle long enough.
func (r *rested) Run() {
	c := (*Conn)(r)
	c.isResting = false
	if c.running > 0 || c.ended {
		return
	}
	left := c.config.Idle - time.Duration(c.loop.Now()-c.restAt)*time.Millisecond
	if left > 0 {
		c.isResting = true
		c.resting.Set(c.loop, left, r)
		return
	}
	c.Leave(http2.NoError)
}
