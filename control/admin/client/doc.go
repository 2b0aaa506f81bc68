// Package client asks a running weir through its admin address.
//
// Invariants: it knows the API's types and nothing else of weir; every call ends within its timeout.
//
// Called by console/.
package client
