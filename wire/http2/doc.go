// Package http2 is HTTP/2 (RFC 9113) and HPACK's use of it (RFC 7541) on bytes alone: frames and the rules they obey, settings, stream
// states, windows, heads, priorities, and the budgets that bound what a peer may make weir do for nothing.
//
// Invariants:
//   - What a frame must look like is one table (rules.go), what a stream may do another (state.go).
//   - A head that has been found good is laid out as HTTP/1.1 has it, by the rules of package http1: nothing that http1 would refuse gets past
//     here, whatever the frames said.
//   - Heads are written with the static table alone. An encoder without a table has no state that could differ between the two ends.
//
// Owns no socket. Called by traffic/stream.
package http2
