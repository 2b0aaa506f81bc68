// Package health asks the servers of pools at intervals whether they are well and publishes the verdict on them.
//
// Invariants: one goroutine for each checked server, on the control plane's side and never on a loop; every check has a
// deadline and reads a bounded number of bytes; a verdict is one atomic store that all loops see. A server that stays through
// a reload with the same check is not asked anew, and Close ends all goroutines.
//
// Called by control when a snapshot has become the running one.
package health
