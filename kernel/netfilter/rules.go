package netfilter

import (
	"net/netip"
)

// Rules is what the table holds. Immutable.
type Rules struct {
	Mark     uint32    // of packets that routing is to deliver to this machine; see package routing
	Borrowed bool      // packets to sockets that have other machines' addresses get the mark
	Captures []Capture // of connections that pass through, or come to another port
}

// Capture brings traffic to a listener of weir's. What is empty takes everything.
type Capture struct {
	Listener   uint16         // its port
	Keep       bool           // the destination stays as it was (TPROXY); else it is rewritten (REDIRECT)
	UDP        bool           // datagrams; else TCP
	Ports      []PortRange    // destination ports
	Interfaces []string       // by which it comes in
	From, To   []netip.Prefix // source and destination networks
}

// PortRange is the ports from First to Last.
type PortRange struct{ First, Last uint16 }

// IsEmpty reports whether there is nothing to do for the kernel.
func (r *Rules) IsEmpty() bool { return !r.Borrowed && len(r.Captures) == 0 }

// Routes reports whether marked packets need a route to this machine.
func (r *Rules) Routes() bool {
	routes := r.Borrowed
	for i := range r.Captures {
		routes = routes || r.Captures[i].Keep
	}
	return routes
}

// Most is how many rules a capture may come to: one for each combination of what it is restricted to.
const Most = 1024

// Size is how many rules it comes to.
func (c *Capture) Size() int {
	return max(1, len(c.Ports)) * max(1, len(c.Interfaces)) * max(1, len(c.From)) * max(1, len(c.To))
}

// KeptPrefix is what names under which tables are kept begin with; eight hexadecimal digits follow, which stand for the configuration's file.
const KeptPrefix = "kept-"
