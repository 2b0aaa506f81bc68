package engine

import (
	"os"
	"time"
)

// Substream is what every Conn has that is one of many on a connection, whose owner brings it content and makes room: the deadlines, and who waits. It is embedded,
// and begins with Begin; owned by its loop.
type Substream struct {
	loop        *Loop
	self        Conn
	readable    Signal
	writable    Signal
	handler     Handler // who is called when there is something to read
	alarm       Alarm
	readBy      int64
	writeBy     int64
	writeFor    time.Duration // of the last SetWriteTimeout
	interrupted bool
}

// SendFile is SendFile to the content: all of it is in frames.
func (s *Substream) SendFile(w *Workers, f *os.File, offset, n int64) (int64, error) {
	return SendFile(s.self, w, f, offset, n)
}

// BareIn, BareOut and Skip would be for content that is on a connection as it is.
func (s *Substream) BareIn() (c Conn, n int64) { return nil, 0 }
func (s *Substream) BareOut() Conn             { return nil }
func (s *Substream) Skip(n int64)              {}

// Begin makes a zero Substream the one of c, from any goroutine. Its deadlines have to be set before the first wait.
func (s *Substream) Begin(l *Loop, c Conn) { s.loop, s.self = l, c }

func (s *Substream) Loop() *Loop                     { return s.loop }
func (s *Substream) SetReadTimeout(d time.Duration)  { s.readBy = s.loop.deadline(d) }
func (s *Substream) SetWriteTimeout(d time.Duration) { s.writeFor, s.writeBy = d, s.loop.deadline(d) }

// Wrote moves the write deadline on: the peer has taken something.
func (s *Substream) Wrote()          { s.writeBy = s.loop.deadline(s.writeFor) }
func (s *Substream) ClearInterrupt() { s.interrupted = false }

// Interrupt makes waits end.
func (s *Substream) Interrupt() {
	s.interrupted = true
	s.Wake()
}

// IsInterrupted reports whether waits end.
func (s *Substream) IsInterrupted() bool { return s.interrupted }

// Reclaim and IsIdle are of connections that wait for another exchange; a stream has one.
func (s *Substream) Reclaim() bool { return false }
func (s *Substream) IsIdle() bool  { return false }

// Wake has everybody look who waits.
func (s *Substream) Wake() {
	s.Arrive()
	s.MakeRoom()
}

// Arrive wakes who reads, or calls who wants to be called: content has come, or its end.
func (s *Substream) Arrive() {
	if h := s.handler; h != nil {
		s.Rest()
		s.loop.Start(h, s.self)
		return
	}
	s.loop.Fire(&s.readable)
}

// MakeRoom wakes who waits to write.
func (s *Substream) MakeRoom() { s.loop.Fire(&s.writable) }

// WaitArrival parks until Arrive. It fails when it may not, or not any more.
func (s *Substream) WaitArrival() error { return s.wait(&s.readable, s.readBy) }

// WaitArrivalBy is WaitArrival with a deadline of its own, in ms of the loop's clock.
func (s *Substream) WaitArrivalBy(by int64) error { return s.wait(&s.readable, by) }

// WaitRoom parks until MakeRoom. It fails when it may not, or not any more.
func (s *Substream) WaitRoom() error { return s.wait(&s.writable, s.writeBy) }

func (s *Substream) wait(g *Signal, by int64) error {
	left := by - s.loop.Now()
	switch {
	case s.interrupted:
		return ErrInterrupted
	case left <= 0:
		return ErrTimeout
	}
	s.loop.Wait(g, time.Duration(left)*time.Millisecond)
	return nil
}

// AwaitArrival has h run at Arrive or the read deadline, or at once if something is there.
func (s *Substream) AwaitArrival(h Handler, isThere bool) {
	left := s.readBy - s.loop.Now()
	if isThere || s.interrupted || left <= 0 {
		s.loop.Start(h, s.self)
		return
	}
	s.handler = h
	s.alarm.Set(s.loop, time.Duration(left)*time.Millisecond, (*overdue)(s))
}

// Rest has nobody called.
func (s *Substream) Rest() {
	s.handler = nil
	s.alarm.Stop()
}

// overdue is a stream whose read deadline has come while it is awaited.
type overdue Substream

func (s *overdue) Run() { (*Substream)(s).Arrive() }
