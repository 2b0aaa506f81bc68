// Package resolve keeps the addresses behind the names in pools up to date: A, AAAA and SRV records, asked again when their
// TTL ends, which package net does not tell.
//
// Invariants: a pool never waits for a name, never loses its last good answer to a failing name server, and to an empty
// answer only after that has held for a while. What a name may
// cost is bounded: addresses, CNAME hops, queries, time. So are the look-ups in flight, of which names that hang get a part of their own, and Close ends them all.
//
// Called by control when a snapshot has become the running one.
package resolve
