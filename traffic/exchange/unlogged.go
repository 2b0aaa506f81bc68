package exchange

import (
	"fmt"

	"github.com/weir-proxy/weir/telemetry/reason"
)

// This file bounds the lines of the access log that a client causes by streams which it ends itself, or has refused: a stream that is opened and reset costs it 72 bytes or fewer, and a line has 300.
// Of each connection a few are logged singly. The others are counted, and the next line, or one at the connection's end, says how many they were.

const (
	faultsAtOnce = 16   // lines of a connection for such streams in a row
	faultEvery   = 1000 // ms for another one
)

// unlogged is what a connection keeps of streams that were not logged singly.
type unlogged struct {
	streams uint64 // since the last line that told of them
	why     reason.Reason
	until   int64 // ms: up to here the lines that were written are paid for
}

// mayLog reports whether the exchange gets a line of its own.
func (x *Exchange) mayLog() bool {
	s := x.session.streams
	if s == nil || x.session.stream == nil || x.reason.Side() != "client" {
		return true
	}
	u, now := &s.unlogged, x.at.loop.Now()
	if u.until > now+(faultsAtOnce-1)*faultEvery {
		u.streams++
		u.why = x.reason
		return false
	}
	u.until = max(u.until, now) + faultEvery
	if u.streams > 0 {
		x.detail = u.take(x.detail)
	}
	return true
}

// take is the detail of a line that tells of the others too.
func (u *unlogged) take(detail string) string {
	n := u.streams
	u.streams = 0
	if detail != "" {
		detail += "; "
	}
	return fmt.Sprintf("%s%d more streams of the connection ended by its client, the last one for %v", detail, n, u.why)
}

// logRest tells of the streams that no line has told of.
func (s *Streams) logRest() {
	if s.unlogged.streams == 0 || s.session.http == nil {
		return
	}
	p := s.session.at
	x := p.borrow()
	x.reset(&s.session)
	x.reason, x.detail = s.unlogged.why, s.unlogged.take("")
	x.stamp(Read)
	if x.isLogged() {
		x.log()
	}
	p.giveBack(x)
}
