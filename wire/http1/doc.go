// Package http1 reads and writes HTTP/1.1 (RFC 9112) in both roles, on bytes alone: heads, chunked bodies, trailers.
//
// It is strict by default. What differs between two readers of the same bytes is how requests are smuggled, so whatever
// the grammar does not allow is refused: a bare LF or CR, a folded line, a space before a colon, a second length, a
// transfer coding that is not exactly "chunked", and whatever has two meanings. Tolerated: one empty line before a request
// (RFC 9112 section 2.2), a missing reason phrase, unknown fields and methods, '|', '^', '`', '{' and '}' in
// targets, and quotes, angle brackets and backslashes in queries, which browsers send.
//
// Parse functions borrow the buffer: the spans they return are valid as long as it is.
//
// Called by traffic/exchange, health checks and tests.
package http1
