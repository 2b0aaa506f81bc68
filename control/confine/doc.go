// Package confine gives away what weir needs to start and not to serve: root's powers, and writing anywhere but in a few directories.
//
// Invariants: what is given away is gone for every thread, and for every process that weir starts. What the system cannot do is said, and ends
// nothing.
//
// Called by cmd/weir, after the listeners are open.
package confine
