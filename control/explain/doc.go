// Package explain says what becomes of a request and why, without sending anything: listener, site, route, filters, pool, and what the
// server would get. It also runs the tests of a configuration.
//
// Invariants: a request goes through the parser and the index that real requests go through; what package exchange decides beside them is
// repeated here and held against it from outside, by test/routes. Nothing is changed and nothing is opened.
//
// Called by cmd/weir for `weir explain` and `weir check`, and by control/admin for the running snapshot.
package explain
