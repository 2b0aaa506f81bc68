package routing

import "net/netip"

// Carried is a connection, or a flow of datagrams, whose destination the kernel has rewritten.
type Carried struct {
	UDP            bool
	Client, Listen netip.AddrPort // as the client sends
	Server, Back   netip.AddrPort // as the server answers
}
