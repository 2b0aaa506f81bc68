package engine

import (
	"runtime"
	"time"
)

// stacksEvery is the least time between two reports with all stacks: what makes turns long may be clients, and a report is large.
const stacksEvery = time.Minute

// stuck reports a turn that does not end, with the stacks of all goroutines if the last report of them is old, and marks the loop so that readiness can say so.
func (e *Engine) stuck(l *Loop, ms int64) {
	l.Post(func() { l.Stats.SlowTurns++ }) // once it goes on
	if !e.stacksAt.IsZero() && time.Since(e.stacksAt) < stacksEvery {
		e.config.Log("loop %d: its turn has taken %d ms: something waits outside of the engine", l.Index, ms)
		return
	}
	e.stacksAt = time.Now()
	buf := make([]byte, 64<<10)
	buf = buf[:runtime.Stack(buf, true)]
	e.config.Log("loop %d: its turn has taken %d ms: something waits outside of the engine\n%s", l.Index, ms, buf)
}

// Stuck is the number of loops whose turn has taken longer than Config.SlowTurn.
func (e *Engine) Stuck() int {
	n := 0
	for _, l := range e.loops {
		if at := l.turnAt.Load(); at != 0 && l.clock()-at > e.config.SlowTurn.Milliseconds() {
			n++
		}
	}
	return n
}
