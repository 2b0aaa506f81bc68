// Package quic carries exchanges over HTTP/3, in both roles: quic-go's connections and streams, which live on goroutines, with the exchanges on the loops.
//
// Invariants:
//
//   - A connection belongs to one loop, on which all its exchanges run. Goroutines read, and write what is more than a little; they tell the loop by Loop.Post
//     and touch nothing that belongs to it.
//
//   - A Stream is an engine.Conn for the content alone, with heads and trailers beside it, as one of traffic/stream is.
//
//   - What was received and not read is one piece; what waits to be sent is two.
//
//   - A connection to a server has a socket of its own, which ends with it.
//
// Called by traffic/exchange and traffic/listener, of clients; by traffic/transport, of servers.
package quic
