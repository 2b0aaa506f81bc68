// Package handover is what two processes of weir say to each other while one takes over from the other: messages and descriptors over a socket
// that only the two have.
//
//	old                                             new
//	listeners, admin, quic, health, tickets, begin ─►
//	                                               ◄─ ready, or failed: why
//	tables, go                                     ─►   accepts from now on, and reads the sockets of QUIC
//	flows, flows end                               ─►   reads datagrams from then on
//	                                               ◄─ serving
//	leaving, connections, as they come to rest     ─►
//	                                               ◄─ order: what the operator asks of weir
//	answer                                         ─►
//	(closed)                                       ─►
//
// Invariants: until it has said ready and was told to go, the new process takes nothing from the sockets, so that the old one can go on
// as if nothing had happened, whatever becomes of it. Unknown kinds of messages are skipped: the two may be of different versions.
//
// Called by control/lifecycle and cmd/weir.
package handover
