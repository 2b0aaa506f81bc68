package engine

import (
	"fmt"
	"iter"
	"runtime/debug"
	"syscall"
)

// coroutine is a stack that can be left and entered again without the scheduler: iter.Pull switches in three
// compare-and-swaps, where a channel hand-off to a goroutine costs ten times as much. Owned by its loop; reused.
type coroutine struct {
	loop   *Loop
	resume func() (struct{}, bool)
	yield  func(struct{}) bool
	// The work to do next: one of the two.
	handler Handler
	conn    Conn
	runner  Runner

	wake  wake // why it was resumed
	sent  int  // of what it wrote, with errno
	errno syscall.Errno
	next  *coroutine
	ends  bool // it is not needed any more
}

// wake says why a parked coroutine was resumed.
type wake uint8

const (
	wakeReady wake = iota
	wakeTimeout
	wakeInterrupted
	wakeClosed
)

func newCoroutine(l *Loop) *coroutine {
	co := &coroutine{loop: l}
	co.resume, _ = iter.Pull(func(yield func(struct{}) bool) {
		co.yield = yield
		for {
			co.work()
			if co.loop.idleCoroutines >= maxIdleCoroutines {
				return
			}
			co.next, co.loop.freeCoroutines = co.loop.freeCoroutines, co
			co.loop.idleCoroutines++
			if !yield(struct{}{}) || co.ends {
				return
			}
		}
	})
	return co
}

// maxIdleCoroutines bounds the stacks kept for reuse (2 to 8 KiB each).
const maxIdleCoroutines = 1024

// work runs what the coroutine was started for. A panic ends here: the connection of the work dies, a counter and a stack
// remain, the loop lives.
func (co *coroutine) work() {
	defer co.settle()
	if h := co.handler; h != nil {
		h.Serve(co.conn)
		return
	}
	co.runner.Run()
}

func (co *coroutine) settle() {
	if r := recover(); r != nil {
		co.loop.panicked(r, debug.Stack())
		if co.conn != nil {
			co.conn.Close()
		}
		if p, ok := co.runner.(interface{ Panicked() }); ok {
			p.Panicked()
		}
		if p, ok := co.handler.(interface{ Panicked() }); ok {
			p.Panicked()
		}
	}
	co.handler, co.conn, co.runner = nil, nil, nil
}

// panicked counts a recovered panic and reports its stack.
func (l *Loop) panicked(r any, stack []byte) {
	l.Stats.Panics++
	l.engine.config.Log("loop %d: recovered panic: %v\n%s", l.Index, r, stack)
}

// start runs work on a coroutine until it parks or ends. Loop context only.
func (l *Loop) start(h Handler, c Conn, r Runner) {
	co := l.freeCoroutines
	if co == nil {
		co = newCoroutine(l)
	} else {
		l.freeCoroutines = co.next
		l.idleCoroutines--
		l.idleLow = min(l.idleLow, l.idleCoroutines)
	}
	co.handler, co.conn, co.runner = h, c, r
	l.switchTo(co)
}

// endIdle ends coroutines that wait for work.
func (l *Loop) endIdle(n int) {
	for ; n > 0 && l.freeCoroutines != nil; n-- {
		co := l.freeCoroutines
		l.freeCoroutines = co.next
		l.idleCoroutines--
		co.ends = true
		co.resume()
	}
}

// switchTo enters co and returns when it parks or ends. Loop context only.
func (l *Loop) switchTo(co *coroutine) {
	if l.current != nil {
		panic(fmt.Sprintf("BUG: loop %d: a coroutine resumed another", l.Index))
	}
	l.current, l.moved = co, 0
	co.resume()
	l.current = nil
}

// park leaves the current coroutine until something resumes it, and says what did.
func (l *Loop) park() wake {
	co := l.current
	if co == nil {
		panic("BUG: a wait outside of a coroutine would stop the loop")
	}
	co.yield(struct{}{})
	return co.wake
}

// unpark puts co on the list of coroutines that go on in this turn; from a coroutine another cannot be entered directly.
func (l *Loop) unpark(co *coroutine, why wake) {
	co.wake = why
	l.ready = append(l.ready, co)
}
