package attempt

import (
	"net/netip"
	"slices"

	"github.com/weir-proxy/weir/traffic/pool"
)

// Ending says whose connections are to end. Immutable.
type Ending struct {
	Servers []*pool.Server // to one of these; none: to any
	Client  netip.Addr     // of this one; invalid: of any
	Tunnels bool           // only those that are tunnels
}

// Means reports whether work of the client at the server is meant; nil is work that has no server.
func (e *Ending) Means(s *pool.Server, client netip.Addr) bool {
	if e.Client.IsValid() && e.Client != client.Unmap() {
		return false
	}
	return len(e.Servers) == 0 || s != nil && slices.Contains(e.Servers, s)
}
