// Package sniff reads what a connection's first bytes tell without taking part in what is spoken: of TLS, the name of the server that is
// asked for and the protocols that are offered; of PostgreSQL, that a client asks for TLS.
//
// Invariants: bytes alone. It takes any division of a ClientHello into records, since it is given all bytes from the first on each time, and
// never reads past SizeMax. It checks what it goes by and nothing else: the server judges the rest.
//
// Called by traffic/listener, traffic/tunnel.
package sniff
