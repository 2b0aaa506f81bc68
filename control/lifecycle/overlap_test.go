package lifecycle

import (
	"net/netip"
	"testing"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/traffic/listener"
)

// An address with a host may be opened beside one without, of TCP as of UDP. HTTP/3 has the UDP port of its listener.
func TestOverlappingAddressesAreSeen(t *testing.T) {
	at := func(text string, datagrams bool) engine.Address {
		return engine.Address{IP: netip.MustParseAddrPort(text), IsDatagram: datagrams}
	}
	for _, c := range []struct {
		name  string
		open  engine.Address
		http3 bool
		next  engine.Address
		want  bool
	}{
		{"a host beside all", at("[::]:80", false), false, at("127.0.0.1:80", false), true},
		{"all beside a host", at("127.0.0.1:80", false), false, at("[::]:80", false), true},
		{"all of IPv4 beside all", at("[::]:80", false), false, at("0.0.0.0:80", false), true},
		{"another port", at("[::]:80", false), false, at("127.0.0.1:81", false), false},
		{"the same", at("127.0.0.1:80", false), false, at("127.0.0.1:80", false), false},
		{"UDP beside TCP", at("[::]:80", false), false, at("127.0.0.1:80", true), false},
		{"TCP beside UDP", at("[::]:80", true), false, at("127.0.0.1:80", false), false},
		{"UDP beside UDP", at("[::]:80", true), false, at("127.0.0.1:80", true), true},
		{"UDP beside HTTP/3", at("[::]:443", false), true, at("127.0.0.1:443", true), true},
		{"UDP beside HTTP/3 of a host", at("127.0.0.1:443", false), true, at("[::]:443", true), true},
	} {
		o := &openListener{socket: &engine.Listener{Address: c.open}}
		if c.http3 {
			o.quic = &listener.QUIC{}
		}
		if got := overlaps(c.next, map[string]*openListener{"": o}); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
