// Package http2 tests weir's HTTP/2 from outside: h2spec, gRPC's own interop client and server, WebSocket clients over every version, HPACK of others, curl, h2load and Chromium,
// and connections that misbehave on purpose.
//
// Invariants: every peer is a real program, or Go's net/http and x/net's framer, which share no code with weir's; h2spec and the gRPC programs are built from
// the module in tools, so that weir does not depend on them.
//
// Called by make test.
package http2
