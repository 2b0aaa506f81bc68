// Package faults holds what must not happen to those who do nothing wrong, while others do: slow clients, servers that die, descriptors and
// disks that run out, reloads and stops in the middle of work, and certificates that are not what they should be.
//
// Invariants: nothing in it but tests. weir is the built binary, and what it does is seen by clients, servers, its log and its
// admin address only.
//
// Called by go test.
package faults
