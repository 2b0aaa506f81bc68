// Package tunnel relays bytes between two connections without looking at them (RFC 9110 section 9.3.6): upgraded exchanges today.
//
// Invariants: each direction ends for itself, so a half-closed peer still gets its answer; silence in both directions ends both.
//
// Called by traffic/exchange.
package tunnel
