package filter

import (
	"net/netip"
	"testing"
)

func networks(texts ...string) *Networks {
	var list []netip.Prefix
	for _, s := range texts {
		list = append(list, netip.MustParsePrefix(s))
	}
	return NewNetworks(list)
}

func TestNetworksKnowAnAddressHoweverItIsSpelt(t *testing.T) {
	for _, c := range []struct {
		network, address string
		want             bool
	}{
		{"10.0.0.0/8", "10.255.0.1", true},
		{"10.0.0.0/8", "11.0.0.1", false},
		{"10.0.0.0/8", "::ffff:10.0.0.1", true},
		{"10.9.9.9/8", "10.0.0.1", true},
		{"::ffff:10.0.0.0/104", "10.0.0.1", true},
		{"::ffff:10.0.0.0/104", "::ffff:10.0.0.1", true},
		{"::ffff:10.0.0.0/104", "11.0.0.1", false},
		{"0.0.0.0/0", "2001:db8::1", false},
		{"::/0", "2001:db8::1", true},
		{"::/0", "10.0.0.1", false},
		{"fe80::/10", "fe80::1%eth0", true},
		{"2001:db8::/32", "2001:db9::1", false},
		{"192.0.2.7/32", "192.0.2.7", true},
		{"192.0.2.7/32", "192.0.2.8", false},
	} {
		if got := networks(c.network).Contains(netip.MustParseAddr(c.address)); got != c.want {
			t.Errorf("%s contains %s: %v", c.network, c.address, got)
		}
	}
	if networks("0.0.0.0/0").Contains(netip.Addr{}) || networks().Contains(netip.MustParseAddr("10.0.0.1")) {
		t.Error("no address, or no network, is contained")
	}
}

func TestAccess(t *testing.T) {
	for _, c := range []struct {
		allow, deny *Networks
		client      string
		want        bool
	}{
		{nil, nil, "10.0.0.1", true},
		{networks("10.0.0.0/8"), nil, "10.0.0.1", true},
		{networks("10.0.0.0/8"), nil, "11.0.0.1", false},
		{nil, networks("10.0.0.0/8"), "10.0.0.1", false},
		{nil, networks("10.0.0.0/8"), "::ffff:10.0.0.1", false},
		{nil, networks("10.0.0.0/8"), "11.0.0.1", true},
		{networks("10.0.0.0/8"), networks("10.1.0.0/16"), "10.1.0.1", false},
		{networks("10.1.0.0/16"), networks("10.0.0.0/8"), "10.1.0.1", false},
	} {
		a := &Access{Allow: c.allow, Deny: c.deny}
		if got := a.Allows(netip.MustParseAddr(c.client)); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	if !(*Access)(nil).Allows(netip.Addr{}) {
		t.Error("without rules somebody is refused")
	}
	if (&Access{Allow: networks("0.0.0.0/0", "::/0")}).Allows(netip.Addr{}) {
		t.Error("a client without an address is in a network")
	}
}

func TestNetworksCoverEachOther(t *testing.T) {
	for _, c := range []struct {
		a, b *Networks
		want bool
	}{
		{networks("10.0.0.0/8"), networks("10.1.0.0/16", "10.0.0.0/8"), true},
		{networks("10.0.0.0/8"), networks("10.1.0.0/16", "11.0.0.0/8"), false},
		{networks("10.1.0.0/16"), networks("10.0.0.0/8"), false},
		{networks("::/0"), networks("10.0.0.0/8"), false},
	} {
		if c.a.Covers(c.b) != c.want {
			t.Errorf("%v covers %v: %v", c.a.Prefixes(), c.b.Prefixes(), !c.want)
		}
	}
}
