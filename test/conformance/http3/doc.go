// Package http3 speaks HTTP/3 to a running weir: two independent clients, a browser, and raw streams that break the rules; and has
// it ask servers of HTTP/3, some of which leave, die, or break the rules as well.
//
// Called by go test alone.
package http3
