// Package ech keeps the keys of Encrypted Client Hello (RFC 9849), by which clients hide the name they ask for, and writes what is published of them in DNS.
//
// Invariants: the newest key is the one that is published; those before it are understood until nobody can have them any more. A client with an older or an
// unknown one is told the newest in the handshake and comes again.
//
// Called by control/certs, and by the command line, which prints the records.
package ech
