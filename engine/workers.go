package engine

import (
	"cmp"
	"errors"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Work is a kind of blocking work: what a loop hands to workers because it may wait for something else than a socket.
type Work int

const (
	DiskWork        Work = iota // opening, reading and writing files
	SigningWork                 // signatures of TLS, and keys, that take a millisecond
	CertificateWork             // certificates that are obtained while their client waits
	HTTP3DialWork               // connections to servers by HTTP/3: quic-go waits for their handshakes
	worksCount
)

// works is the table of blocking work. Each piece that hangs in the system holds a thread, and Go ends a process with 10,000 of them: a network file system that has gone away must not be what ends
// weir. Work that finds no room, or does not end in time, fails with ErrBusy or ErrStuck, and who asked for it answers: 503 for a file, memory in place of a file for a body, an alert for a handshake,
// another server for a dial.
var works = [worksCount]struct {
	name    string        // in metrics
	running int           // pieces that run, of each directory or of the process
	waiting int           // pieces that wait for their turn
	within  time.Duration // how long a piece may take, with its wait; 0: its Wait says it
}{
	DiskWork:        {"disk", 32, 256, 10 * time.Second}, // of each directory: one site's disk must not hold up another's
	SigningWork:     {"signature", 64, 4096, 10 * time.Second},
	CertificateWork: {"certificate", 1024, 1024, 30 * time.Second},
	HTTP3DialWork:   {"http3_dial", 1024, 4096, 0},
}

// Works are the kinds of blocking work.
func Works() []Work { return []Work{DiskWork, SigningWork, CertificateWork, HTTP3DialWork} }

// String is the kind's name in metrics.
func (w Work) String() string { return works[w].name }

// WorkStats counts the blocking work of a kind, over all loops.
type WorkStats struct {
	Running, Waiting int64  // pieces that run and wait now
	Begun            uint64 // pieces that were begun
	Busy             uint64 // pieces that were not, because too many ran or waited
	Stuck            uint64 // pieces that were given up while they ran, because they took too long
}

// workCounters are WorkStats being counted.
type workCounters struct {
	running, waiting   atomic.Int64
	begun, busy, stuck atomic.Uint64
}

// WorkStats returns the counters of a kind of blocking work.
func (e *Engine) WorkStats(w Work) WorkStats {
	c := &e.working[w]
	return WorkStats{Running: c.running.Load(), Waiting: c.waiting.Load(), Begun: c.begun.Load(), Busy: c.busy.Load(), Stuck: c.stuck.Load()}
}

// Workers bounds the blocking work of one kind, or that of one kind on one directory: how much of it runs and how much waits. Any goroutine.
type Workers struct {
	most, queueMost int
	within          time.Duration // 0: the Wait says it
	counted         *workCounters
	mu              sync.Mutex
	running         int
	waiting         []*blockWaiter
}

// blockWaiter is work that waits for its turn: a coroutine, or a function that nobody waits for. Guarded by the workers' mu.
type blockWaiter struct {
	loop    *Loop
	turn    *Signal
	granted bool
	f       func()
}

// workersOf names workers.
type workersOf struct {
	work Work
	of   string
}

// Workers returns the workers of a kind, which all loops share; of each directory where of is one.
func (l *Loop) Workers(work Work, of string) *Workers {
	key := workersOf{work, of}
	if w, ok := l.engine.workers.Load(key); ok {
		return w.(*Workers)
	}
	w, _ := l.engine.workers.LoadOrStore(key, l.engine.newWorkers(work))
	return w.(*Workers)
}

func (e *Engine) newWorkers(work Work) *Workers {
	row := &works[work]
	return &Workers{most: row.running, queueMost: row.waiting, within: row.within, counted: &e.working[work]}
}

// Why Block does not bring its work to an end.
var (
	ErrBusy  = errors.New("too much blocking work is waiting")
	ErrStuck = errors.New("the system does not answer")
)

// Wait is blocking work that a coroutine waits for, which another of the loop can have it give up. The zero Wait waits for nothing.
type Wait struct {
	Most   time.Duration // how long the work may take, with its wait for a turn; 0: as the table says
	signal Signal
	active bool
	gone   bool
}

// GiveUp ends the wait, as when the client has left: Block returns ErrInterrupted.
func (w *Wait) GiveUp(l *Loop) {
	if w.active {
		w.gone = true
		l.Fire(&w.signal)
	}
}

// Block runs f, which may wait for anything, on a worker goroutine, and parks until it has returned, for as long as the table says, or wait. f must not touch what belongs to the loop. A panic in
// it is counted and reported, and Block returns. With ErrBusy f was not begun. With ErrStuck it still runs: its caller must not look at what f writes, and late runs on the loop once f has
// returned. ErrInterrupted, after GiveUp of wait, says one of both: late runs if f was begun. wait and late may be nil.
func (l *Loop) Block(w *Workers, wait *Wait, f, late func()) error {
	if wait == nil {
		wait = new(Wait)
	}
	*wait = Wait{Most: wait.Most, active: true}
	defer func() { wait.active = false }()
	by := l.now + cmp.Or(wait.Most, w.within).Milliseconds()
	switch {
	case w.enter(l, wait, by):
	case wait.gone:
		return ErrInterrupted
	default:
		w.counted.busy.Add(1)
		return ErrBusy
	}
	var ended, left bool
	w.counted.begun.Add(1)
	go w.run(l, f, func() {
		ended = true
		switch {
		case !left:
			l.Fire(&wait.signal)
		case late != nil:
			late()
		}
	})
	for !ended {
		fired := wait.until(l, by)
		switch {
		case ended:
		case wait.gone:
			left = true
			return ErrInterrupted
		case !fired:
			left = true
			w.counted.stuck.Add(1)
			return ErrStuck
		}
	}
	return nil
}

// until waits for the signal until a time of the loop's clock, and reports whether it came.
func (w *Wait) until(l *Loop, by int64) bool {
	return l.Wait(&w.signal, max(time.Millisecond, time.Duration(by-l.now)*time.Millisecond))
}

// Later runs f once there is room, without waiting for it: for what must be done in the end, such as to close a file. As much may wait as its callers hold.
func (l *Loop) Later(w *Workers, f func()) {
	w.counted.begun.Add(1)
	w.mu.Lock()
	if w.running >= w.most {
		w.wait(&blockWaiter{loop: l, f: f})
		w.mu.Unlock()
		return
	}
	w.begin()
	w.mu.Unlock()
	go w.run(l, f, nil)
}

// run runs f on a goroutine, and ended on the loop after it.
func (w *Workers) run(l *Loop, f, ended func()) {
	if ended != nil {
		defer l.Post(ended)
	}
	defer w.leave()
	defer func() {
		if r := recover(); r != nil {
			stack := debug.Stack()
			l.Post(func() { l.panicked(r, stack) })
		}
	}()
	f()
}

// enter waits for a turn; false if there is none in time, or wait was given up.
func (w *Workers) enter(l *Loop, wait *Wait, by int64) bool {
	w.mu.Lock()
	if w.running < w.most {
		w.begin()
		w.mu.Unlock()
		return true
	}
	if len(w.waiting) >= w.queueMost {
		w.mu.Unlock()
		return false
	}
	mine := &blockWaiter{loop: l, turn: &wait.signal}
	w.wait(mine)
	w.mu.Unlock()
	for {
		inTime := wait.until(l, by)
		w.mu.Lock()
		granted, gone := mine.granted, wait.gone || !inTime
		switch {
		case granted && wait.gone:
			w.pass()
		case !granted && gone:
			w.forget(mine)
		}
		w.mu.Unlock()
		if granted || gone {
			return granted && !wait.gone
		}
	}
}

func (w *Workers) begin() {
	w.running++
	w.counted.running.Add(1)
}

func (w *Workers) wait(b *blockWaiter) {
	w.waiting = append(w.waiting, b)
	w.counted.waiting.Add(1)
}

func (w *Workers) forget(b *blockWaiter) {
	if i := slices.Index(w.waiting, b); i >= 0 {
		w.waiting = slices.Delete(w.waiting, i, i+1)
		w.counted.waiting.Add(-1)
	}
}

// leave gives the turn to who waits longest.
func (w *Workers) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pass()
}

// pass is leave under mu.
func (w *Workers) pass() {
	if len(w.waiting) == 0 {
		w.running--
		w.counted.running.Add(-1)
		return
	}
	next := w.waiting[0]
	w.forget(next)
	if next.f != nil {
		go w.run(next.loop, next.f, nil)
		return
	}
	next.granted = true
	next.loop.Post(func() { next.loop.Fire(next.turn) })
}
