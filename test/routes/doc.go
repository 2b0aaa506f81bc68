// Package routes holds `weir explain` against a weir that runs: what it says becomes of a request is what a client and a server see.
//
// Invariants: nothing in it but tests. Requests go over real sockets to a whole weir, and servers record what reaches them.
//
// Called by go test.
package routes
