package transport

import (
	"net/netip"
	"testing"
)

func TestWhoseAddressAConnectionHas(t *testing.T) {
	for _, c := range []struct{ client, server, want string }{
		{"192.0.2.7", "10.0.0.1", "192.0.2.7"},
		{"::ffff:192.0.2.7", "10.0.0.1", "192.0.2.7"},
		{"2001:db8::7", "2001:db8::1", "2001:db8::7"},
		{"2001:db8::7", "10.0.0.1", ""},
		{"192.0.2.7", "2001:db8::1", ""},
		{"127.0.0.1", "10.0.0.1", ""}, // a probe of this machine's own
		{"127.0.0.1", "127.0.0.2", "127.0.0.1"},
		{"::1", "2001:db8::1", ""},
	} {
		got := (&Config{ByClient: true}).Spoofed(netip.MustParseAddr(c.client), netip.MustParseAddr(c.server))
		if got != (netip.Addr{}) && c.want == "" || c.want != "" && got.String() != c.want {
			t.Errorf("client %s, server %s: %v, want %q", c.client, c.server, got, c.want)
		}
		if got := (&Config{}).Spoofed(netip.MustParseAddr(c.client), netip.MustParseAddr(c.server)); got.IsValid() {
			t.Errorf("without source: client, %v", got)
		}
	}
}
