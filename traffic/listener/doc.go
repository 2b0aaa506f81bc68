// Package listener takes the connections of an address: it ends TLS where the address has it and hands them to the exchanges.
//
// Invariants: what a listener does is one immutable Setup that a reload swaps whole, so that an address changes without being closed. A
// connection keeps the setup it was accepted under.
//
// Called by engine (Serve) and control/lifecycle.
package listener
