// Package routing has marked packets delivered to this machine, whatever their destination: a rule and a routing table for each family.
//
// Invariants: only the rule of its own mark and the table of its own number are touched. What is there already is taken over, as after a crash.
//
// Called by control/lifecycle and test/networks.
package routing
