// Package site finds the site and the route of a request: the most specific wins, in any order of writing.
//
// Invariants: an Index is built once, immutable, and shared by all loops; Find allocates nothing.
//
// Called by traffic/exchange, and by control/ for explain and tests.
package site
