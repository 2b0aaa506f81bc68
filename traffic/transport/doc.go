// Package transport keeps connections to servers: it opens them, keeps them warm between exchanges, and knows when one can be used again.
//
// Invariants: connections belong to one loop and are used last in, first out. An idle connection is known to be alive because its loop
// would have seen its end; it is never probed. A connection with unread bytes, an unfinished request or a malformed answer is closed, never
// kept.
//
// Called by traffic/attempt and traffic/exchange.
package transport
