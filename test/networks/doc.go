// Package networks has weir stand in networks of several machines, which the tests make of network namespaces: what it captures, whose address
// servers see, and what the kernel does in its place.
//
// Invariants: each test makes its own network and takes it away; nothing of this machine's network is touched. It needs root.
//
// Called by go test.
package networks
