// Package acme runs weir against pebble, a real ACME server, which refuses half of all nonces, and a DNS server that takes dynamic updates: certificates are
// obtained by each challenge, renewed, revoked, and served on while the authority is away.
//
// Called by go test alone.
package acme
