package engine

import "runtime/debug"

// Report counts a panic that was recovered outside of the loop as one of its own, and reports its stack. Any goroutine.
func (l *Loop) Report(r any, stack []byte) { l.Post(func() { l.panicked(r, stack) }) }

// Guard runs f on the goroutine that calls it. A panic in f is reported, failed is called, and nothing else ends.
func (l *Loop) Guard(f, failed func()) {
	defer func() {
		if r := recover(); r != nil {
			l.Report(r, debug.Stack())
			failed()
		}
	}()
	f()
}
