// Package tunnel relays bytes between two connections without looking at them (RFC 9110 section 9.3.6): those of layer 4 listeners, for which
// it also gets the server, and exchanges that were upgraded.
//
// Invariants:
//   - Each direction ends for itself: a half-closed peer still gets its answer. A reset goes on as a reset, so that nobody takes what came for
//     the whole.
//   - A tunnel in which nothing moves holds no coroutine, no buffer and no pipe: both connections are awaited. Silence in both directions
//     ends both.
//   - What a tunnel holds of its pool is settled once, whatever happened in between, panics included.
//
// Called by traffic/listener and traffic/exchange.
package tunnel
