// Package hostile holds what peers may cost weir that mean it harm: processor time, memory, descriptors and threads, in each version of HTTP, from clients and from servers,
// and what well-behaved clients notice of it.
//
// Invariants: nothing in it but tests. weir is the built binary with default limits, and what it does is seen by clients, servers, /proc and its admin address only. Every attack is
// bounded in number and time, and goes to addresses of the test alone.
//
// Called by go test.
package hostile
