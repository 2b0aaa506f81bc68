// Package sniff reads what a connection's first bytes tell without taking part in what is spoken: of TLS, the name of the server that is
// asked for and the protocols that are offered; of PostgreSQL, that a client asks for TLS.
//
// Invariants: bytes alone. It takes any division of a ClientHello into records, never reads past SizeMax, and its work grows with the bytes and
// not with their square, however few of them come at a time. It checks what it goes by and nothing else: the server judges the rest.
//
// Called by traffic/listener, traffic/tunnel.
package sniff
