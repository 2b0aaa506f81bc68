// Package stream carries many exchanges side by side on one connection of HTTP/2, in both roles: a client's connection whose requests weir answers, and
// a connection to a server that weir asks.
//
// Invariants:
//   - A connection reads on one coroutine while there is something to read, and holds none, and no buffer, while there is not.
//   - A Stream is an engine.Conn for the content alone, with heads and trailers beside it. Each is used by one exchange, on the connection's loop.
//   - All frames of a turn leave in one send, at its end.
//   - What waits to be sent is bounded by outMost and the windows; what was received and not read, by the windows that weir has opened.
//
// Called by traffic/exchange and traffic/transport.
package stream
