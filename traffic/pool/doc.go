// Package pool holds the servers that can do a piece of work and chooses one for each attempt.
//
// Invariants: a Pool is immutable but for its Set, which is replaced whole by an atomic store. A Load, a RetryBudget and the
// balancers' cursors belong to one loop and are plain fields; what loops share (health, ejection) is atomic on the
// Server and only read while picking. Pick, Begin and End allocate nothing, lock nothing and read no clock.
//
// Live state is kept apart from configuration: New takes the Server of the previous pool wherever name and address are the
// same, so health, ejection, loads, counters and kept connections survive a reload.
//
// Called by traffic/exchange and traffic/tunnel on the loops (Pick, Begin, End, Budget), by traffic/transport (Load), and by
// control (New, Retire, Resolver, Status). Package health publishes the results of active checks on Servers.
package pool
