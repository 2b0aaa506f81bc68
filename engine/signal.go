package engine

import "time"

// Signal lets one coroutine wait for another of the same loop. The zero Signal is ready for use; owned by its loop.
type Signal struct {
	loop   *Loop
	fired  bool
	waiter *coroutine
	timer  timer
	wakeup chan struct{} // goroutines only
}

// Fire sets the signal and wakes who waits.
func (l *Loop) Fire(s *Signal) {
	s.fired = true
	if co := s.waiter; co != nil {
		s.waiter = nil
		l.unpark(co, wakeReady)
	}
	if s.wakeup != nil {
		close(s.wakeup)
		s.wakeup = nil
	}
}

// Wait parks until the signal is fired, at most d; it reports whether it was, and makes the signal fresh again.
func (l *Loop) Wait(s *Signal, d time.Duration) bool {
	if !s.fired {
		if l.portable != nil {
			l.portable.wait(s, d)
		} else {
			s.loop, s.waiter, s.timer.owner = l, l.current, s
			l.wheel.add(&s.timer, l.deadline(d))
			l.park()
			l.wheel.remove(&s.timer)
		}
	}
	fired := s.fired
	s.fired = false
	return fired
}

func (s *Signal) expire(int64) {
	if co := s.waiter; co != nil {
		s.waiter = nil
		s.loop.unpark(co, wakeTimeout)
	}
}

// Sleep parks for d.
func (l *Loop) Sleep(d time.Duration) {
	var s Signal
	l.Wait(&s, d)
}
