// Package steady holds what weir costs when nothing changes: system calls and heap allocations per proxied request under keep-alive
// load, and processor time and memory when nobody asks anything.
//
// Invariants: nothing in it but tests. Every figure is counted, by strace, by the runtime or by the kernel, over a known number of
// requests; none is a rate, so that a busy machine does not change it.
//
// Called by go test.
package steady
