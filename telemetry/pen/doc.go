// Package pen writes lines to destinations that may stop taking them: a pipe whose reader has stopped, or a file on a network that has gone away. Whoever has lines hands them over and goes on;
// a goroutine writes. What waits is bounded, and what exceeds it is dropped and counted.
//
// Invariants: a Pen has one goroutine, which is the only one that a stuck destination can hold. No method waits without a bound.
//
// Called by telemetry/accesslog, and by cmd/weir for the messages on standard error.
package pen
