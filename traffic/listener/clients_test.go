package listener

import (
	"net/netip"
	"testing"
)

// Clients are counted apart, those of IPv6 by their /64 network, and what has ended makes room.
func TestConnectionsAreCountedByClient(t *testing.T) {
	s := newClients()
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	if !s.enter(a, 2) || !s.enter(netip.MustParseAddr("::ffff:10.0.0.1"), 2) || s.enter(a, 2) || !s.enter(b, 2) {
		t.Error("addresses of IPv4")
	}
	s.Closed(a)
	if !s.enter(a, 2) {
		t.Error("an ended connection still counts")
	}
	six := netip.MustParseAddr("2001:db8::1")
	if !s.enter(six, 1) || s.enter(netip.MustParseAddr("2001:db8::2"), 1) || !s.enter(netip.MustParseAddr("2001:db8:0:1::1"), 1) {
		t.Error("networks of IPv6")
	}
	for _, x := range []netip.Addr{a, a, b, six, netip.MustParseAddr("2001:db8:0:1::9")} {
		s.Closed(x)
	}
	for i := range s.shards {
		if n := len(s.shards[i].n); n > 0 {
			t.Errorf("%d clients are remembered who have no connection", n)
		}
	}
}
