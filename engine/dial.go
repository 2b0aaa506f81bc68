package engine

import (
	"net/netip"
	"time"
)

// DialOptions are the options of a connection to a server.
type DialOptions struct {
	Timeout    time.Duration
	Congestion string     // TCP congestion control; "" leaves the system's
	Source     netip.Addr // the own address; the zero value leaves it to the system
	Heavy      bool       // for a peer that has much under way: where descriptors run short, others go first
	GivenUp    *bool      // set once nobody wants the connection any more, and ends the wait for a turn; nil: it always is
	Pending    *Conn      // where the connection is put before it stands, so that an Interrupt of it ends the wait; nil: nowhere
	Spoof      bool       // Source is somebody else's address; needs CAP_NET_ADMIN, and that replies are routed to this machine
}

// dialer is a coroutine that waits for a turn in which it may begin to open a connection.
type dialer struct {
	coroutine *coroutine
	givenUp   *bool // nobody wants the connection any more; nil: somebody always does
}

func (d *dialer) isGivenUp() bool { return d.givenUp != nil && *d.givenUp }
