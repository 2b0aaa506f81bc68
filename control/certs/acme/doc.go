// Package acme gets certificates from public authorities by ACME (RFC 8555) and renews them, through certmagic; what it gets is kept below a directory.
//
// Invariants: nothing here runs on a loop. What was obtained once stays known, expired or not, until something better is there: an authority that is away
// takes nothing away. certmagic is known to nobody else.
//
// Called by control/certs.
package acme
