// Package proxyproto reads and writes the PROXY protocol, versions 1 and 2, in which a proxy tells who its client is before the connection's
// own bytes. Reference: haproxy.org/download/3.0/doc/proxy-protocol.txt, of 2020-03-05.
//
// Invariants: bytes alone, no sockets. What is not exactly the protocol is a Fault, as soon as the first byte tells; nothing is guessed. A
// Header borrows the bytes it was read from.
//
// Called by traffic/listener, which reads it, and by traffic/tunnel and traffic/exchange, which write it.
package proxyproto
