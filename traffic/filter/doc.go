// Package filter holds what a route does to a request or an answer besides sending it on: access by network, header edits, rewriting, and
// the templates they are written with.
//
// Invariants: everything is compiled once, immutable, and shared by all loops; applying it allocates nothing in steady state.
//
// Called by traffic/site (which holds them) and traffic/exchange (which applies them).
package filter
