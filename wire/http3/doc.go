// Package http3 is HTTP/3 (RFC 9114) on bytes alone: frames, settings, codes, and heads by QPACK (RFC 9204) with its static table.
//
// Invariants: nothing read is trusted; a head has the form that wire/http2 gives it, so that what stands above sees one form. No dynamic table is used in
// either direction: what a head costs does not depend on those before it, and no stream waits for another.
//
// Called by traffic/quic.
package http3
