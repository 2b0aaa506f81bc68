// Package walk makes the sequences of events by which tests drive a state machine: every event in every state, and random ones.
//
// Called by tests of traffic.
package walk
