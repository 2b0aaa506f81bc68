package engine

import "time"

// Alarm runs something later, unless it is set anew or stopped before. The zero Alarm is ready for use; owned by its loop.
type Alarm struct {
	loop     *Loop
	timer    timer
	runner   Runner
	portable *time.Timer // goroutines only
}

// Set has r run on a coroutine of its own after d.
func (a *Alarm) Set(l *Loop, d time.Duration, r Runner) {
	a.Stop()
	a.loop, a.runner = l, r
	if l.portable != nil {
		var t *time.Timer
		t = time.AfterFunc(d, func() {
			l.portable.do(func() {
				if a.portable == t {
					a.portable = nil
					r.Run()
				}
			}, r)
		})
		a.portable = t
		return
	}
	a.timer.owner = a
	l.wheel.add(&a.timer, l.deadline(d))
}

// Stop takes it back.
func (a *Alarm) Stop() {
	if a.portable != nil {
		a.portable.Stop()
		a.portable = nil
	}
	if a.loop != nil && a.loop.portable == nil {
		a.loop.wheel.remove(&a.timer)
	}
}

func (a *Alarm) expire(int64) { a.loop.Go(a.runner) }
