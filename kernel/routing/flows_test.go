package routing

import (
	"net/netip"
	"testing"
)

func TestFlowsThatAreMeant(t *testing.T) {
	ip, at := netip.MustParseAddr, netip.MustParseAddrPort
	x := indexFlows([]Flows{
		{ip("10.1.0.1"), 50, 60, at("10.2.0.2:7")},
		{ip("0.0.0.0"), 70, 79, at("10.2.0.2:7")},
		{ip("10.1.0.1"), 80, 80, netip.AddrPort{}},
		{ip("::"), 90, 99, netip.AddrPort{}},
	})
	for _, c := range []struct {
		to, by string
		want   bool
	}{
		{"10.1.0.1:53", "10.2.0.2:7", true}, {"10.1.0.1:61", "10.2.0.2:7", false}, {"10.1.0.2:53", "10.2.0.2:7", false}, {"10.1.0.1:53", "10.2.0.3:7", false},
		{"10.1.0.2:75", "10.2.0.2:7", true}, {"[fd01::1]:75", "10.2.0.2:7", false}, {"10.1.0.1:53", "10.1.0.1:53", false},
		{"10.1.0.1:80", "10.1.0.1:80", true}, {"10.1.0.1:81", "10.1.0.1:81", false}, {"10.1.0.1:80", "10.2.0.2:7", false},
		{"[fd01::1]:95", "[fd01::1]:95", true}, {"10.1.0.1:95", "10.1.0.1:95", false},
	} {
		if got := x.has(at(c.to), at(c.by)); got != c.want {
			t.Errorf("a flow to %s that %s answers: %v, expected %v", c.to, c.by, got, c.want)
		}
	}
}
