// Package memory has connections of TCP in memory, for tests in fake time.
//
// Invariants: a connection behaves as one of TCP where net.Pipe does not: it holds some bytes that nobody has read, half of it can end, and it can be reset. Nothing is kept beside it.
//
// Called by tests of traffic/exchange and traffic/tunnel.
package memory
