package engine

import "runtime"

// stuck writes the stacks of all goroutines once for a turn that does not end, and marks the loop so that readiness can say so.
func (e *Engine) stuck(l *Loop, ms int64) {
	l.Post(func() { l.Stats.SlowTurns++ }) // once it goes on
	buf := make([]byte, 256<<10)
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
