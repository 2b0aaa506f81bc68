// Package tls asks a running weir, with connections of every kind, for hosts of every policy: no request may be served under less than its host asks for,
// whatever name the connection was made for, whoever resumes it.
//
// Called by go test alone.
package tls
