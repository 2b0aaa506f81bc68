// Package flow carries the datagrams of UDP listeners: those of one client are a flow, which goes to one server by a socket of its own, so that what
// comes back is known to be that client's.
//
// Invariants:
//   - A client's flow lives on the loop that the system gives the client's datagrams to.
//   - The table is bounded. When it is full, the flow that was silent longest among those whose client has not answered a reply makes room; clients that
//     have are never put out for new ones.
//   - Until a client has answered a reply, it gets a bounded multiple of what it sent: its address may be another's.
//   - Nothing waits: what finds no room is dropped and counted, as on any other hop.
//
// Called by traffic/listener.
package flow
