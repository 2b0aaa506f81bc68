// Package message holds HTTP semantics (RFC 9110) with no socket and no version: the heads of requests and responses as
// spans over the bytes they were read into.
//
// Invariants: a head owns no bytes; it is valid as long as the buffer it was parsed from is untouched. Every codec
// (HTTP/1 today) fills the same types, so that everything above sees one form of a request.
//
// Called by the codecs in wire/ and by everything in traffic/.
package message
