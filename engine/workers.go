package engine

import (
	"errors"
	"runtime/debug"
	"sync"
	"time"
)

// Workers bounds the blocking work of one kind, such as that on one directory: how much of it runs, how much waits, and for how long. Each piece that hangs in the system holds a thread,
// and Go ends a process with 10,000 of them: a network file system that has gone away must not be what ends weir. Any goroutine.
type Workers struct {
	most, queueMost int
	mu              sync.Mutex
	running         int
	waiting         []*blockWaiter
}

// blockWaiter is work that waits for its turn. Guarded by the workers' mu.
type blockWaiter struct {
	loop    *Loop
	turn    Signal
	granted bool
}

// NewWorkers bounds work to so many pieces that run, and so many that wait.
func NewWorkers(most, queueMost int) *Workers { return &Workers{most: most, queueMost: queueMost} }

// Workers returns the workers of a kind, such as those for a directory, which all loops share; the first to ask for them says how they are bounded.
func (l *Loop) Workers(kind string, most, queueMost int) *Workers {
	kinds := &l.engine.workers
	if w, ok := kinds.Load(kind); ok {
		return w.(*Workers)
	}
	w, _ := kinds.LoadOrStore(kind, NewWorkers(most, queueMost))
	return w.(*Workers)
}

// Why BlockIn does not bring its work to an end.
var (
	ErrBusy  = errors.New("too much blocking work is waiting")
	ErrStuck = errors.New("the system does not answer")
)

// BlockIn is Block within the bounds of w, and waits for d at most. With ErrBusy f was not begun. With ErrStuck it still runs: its caller must not look at what f writes, and late runs on the
// loop once f has returned.
func (l *Loop) BlockIn(w *Workers, d time.Duration, f, late func()) error {
	by := l.now + d.Milliseconds()
	if !w.enter(l, d) {
		l.Stats.BlockBusy++
		return ErrBusy
	}
	l.Stats.Blocked++
	var done Signal
	left := false
	go func() {
		defer l.Post(func() {
			if left {
				late()
				return
			}
			l.Fire(&done)
		})
		defer w.leave()
		defer func() {
			if r := recover(); r != nil {
				stack := debug.Stack()
				l.Post(func() { l.panicked(r, stack) })
			}
		}()
		f()
	}()
	if !l.Wait(&done, max(time.Millisecond, time.Duration(by-l.now)*time.Millisecond)) {
		left = true
		l.Stats.BlockStuck++
		return ErrStuck
	}
	return nil
}

// enter waits for a turn; false if there is none in time.
func (w *Workers) enter(l *Loop, d time.Duration) bool {
	w.mu.Lock()
	if w.running < w.most {
		w.running++
		w.mu.Unlock()
		return true
	}
	if len(w.waiting) >= w.queueMost {
		w.mu.Unlock()
		return false
	}
	mine := &blockWaiter{loop: l}
	w.waiting = append(w.waiting, mine)
	w.mu.Unlock()
	l.Wait(&mine.turn, d)
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, other := range w.waiting {
		if other == mine {
			w.waiting = append(w.waiting[:i], w.waiting[i+1:]...)
			break
		}
	}
	return mine.granted
}

// leave gives the turn to who waits longest.
func (w *Workers) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting) == 0 {
		w.running--
		return
	}
	next := w.waiting[0]
	w.waiting = append(w.waiting[:0], w.waiting[1:]...)
	next.granted = true
	next.loop.Post(func() { next.loop.Fire(&next.turn) })
}
