package engine

// This file counts what peers make the loops hold. Each loop has an equal share of Config.Memory, so that nothing is shared between them. Buffers are counted as they are handed out;
// who holds something else for a peer says so by Hold.

// heldLeast is the share of a loop where Config.Memory says nothing, or too little to work with.
const heldLeast = 16 << 20

// Hold counts n more bytes that are held for a peer; a negative n counts as many less.
func (l *Loop) Hold(n int) { l.buffers.held += int64(n) }

// Held is how many bytes the loop holds for its peers.
func (l *Loop) Held() int64 { return l.buffers.held }

// IsCrowded reports whether the loop holds more than half of its share: whoever holds much already gets no more.
func (l *Loop) IsCrowded() bool { return l.buffers.held > l.share/2 }

// IsFull reports whether the loop holds all of its share: no further work is begun.
func (l *Loop) IsFull() bool { return l.buffers.held > l.share }

// Share is how much the loop may hold for its peers.
func (l *Loop) Share() int64 { return l.share }

// Spare is how many bytes of buffers the loop keeps that nobody has needed since the last Trim.
func (l *Loop) Spare() (n int64) {
	for k, low := range l.buffers.low {
		n += int64(low) * int64(sizes[k])
	}
	return n + int64(l.idleLow)*stackLeast
}

// stackLeast is about what the stack of a coroutine takes that has done something.
const stackLeast = 16 << 10

// SetMemory replaces Config.Memory.
func (e *Engine) SetMemory(n int64) {
	e.memory.Store(n)
	e.Each(func(l *Loop) { l.share = max(heldLeast, n/int64(len(e.loops))) })
}

// Memory is what all loops may hold for their peers together; 0: without limit. Any goroutine.
func (e *Engine) Memory() int64 { return e.memory.Load() }

// OnTrim has Trim call f, for whoever keeps something to be used again.
func (l *Loop) OnTrim(f func()) { l.trims = append(l.trims, f) }

// Trim gives up the free buffers and stacks that nobody has needed since the last call. Outside of any coroutine.
func (l *Loop) Trim() {
	l.endIdle(l.idleLow)
	l.idleLow = l.idleCoroutines
	for _, f := range l.trims {
		f()
	}
	l.dropKeepers()
	for k := range l.buffers.free {
		list := l.buffers.free[k]
		n := min(l.buffers.low[k], len(list))
		if n > 0 {
			rest := copy(list, list[n:])
			clear(list[rest:])
			l.buffers.free[k] = list[:rest]
		}
		l.buffers.low[k] = len(l.buffers.free[k])
	}
}
