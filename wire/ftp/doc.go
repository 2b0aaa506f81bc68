// Package ftp reads and writes what the two ends of an FTP control connection say to each other (RFC 959, RFC 2428), on bytes alone.
//
// Invariants: lines end with LF, and hold no other end of a line; nothing here joins or divides them. Addresses are taken only in the exact form of the
// RFCs.
//
// Called by traffic/ftp.
package ftp
