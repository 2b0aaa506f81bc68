// Package http1 carries an exchange over a connection of HTTP/1.1: it has the same face as a stream of HTTP/2 or HTTP/3, so that an exchange is head, content, trailers and end,
// whatever the versions. Framing is this package's business alone: lengths, chunks, the end of the connection, and whether the connection can carry another message.
//
// Invariants:
//   - A message without more than a little content leaves in one send, head and content together. Chunks are framed where their content is.
//   - Where framing needs no look at the content, the bare connection is given out for the kernel to move it (Bare).
//   - Nothing is allocated for a message.
//
// Called by traffic/exchange and traffic/transport.
package http1
