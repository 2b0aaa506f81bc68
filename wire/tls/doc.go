// Package tls is crypto/tls over the connections of an engine, in both roles.
//
// Invariants: ciphertext goes through memory. A write is encrypted into a buffer first and sent then, so a coroutine that waits for a slow
// peer holds no lock of crypto/tls. crypto/tls is given one record at a time, so it is known what it has and has not seen.
//
// Called by traffic/listener (as server) and, as transport.TLS, by traffic/transport (as client).
package tls
