// Package http3 speaks HTTP/3 to a running weir: two independent clients, a browser, and raw streams that break the rules.
//
// Called by go test alone.
package http3
