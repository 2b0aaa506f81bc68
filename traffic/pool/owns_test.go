package pool

import (
	"net/netip"
	"testing"
)

func TestAPoolKnowsItsServersByAllTheirNames(t *testing.T) {
	at := func(text string) Address { return Address{AddrPort: netip.MustParseAddrPort(text)} }
	set := &Set{Servers: []*Server{
		newServer("fe1.contoso.local:4443", "fe1.contoso.local", at("10.0.0.1:4443"), 1),
		newServer("[2001:db8::1]:80", "", at("[2001:db8::1]:80"), 1),
		newServer("127.0.0.1:8080", "", at("127.0.0.1:8080"), 1),
		newServer("unix:/run/app:1", "", Address{Path: "/run/app:1"}, 1),
	}}
	for host, want := range map[string][2]bool{
		"fe1.contoso.local": {true, true}, "FE1.Contoso.Local": {true, true}, "10.0.0.1": {true, true}, "[2001:db8::1]": {true, true},
		"[2001:DB8:0::1]": {true, true}, "[::ffff:10.0.0.1]": {true, true}, "localhost": {true, true},
		"contoso.local": {false, true}, "local": {false, true}, "0.0.1": {}, "10.0.0.2": {}, "fe2.contoso.local": {}, "x.fe1.contoso.local": {},
		"unix": {}, "": {}, "[": {}, "1.fe": {}, "ontoso.local": {},
	} {
		for i, parents := range []bool{false, true} {
			if got := set.Owns([]byte(host), parents); got != want[i] {
				t.Errorf("%q, with parents %v: %v, want %v", host, parents, got, want[i])
			}
		}
	}
}

func TestLookingForANameAmongServersAllocatesNothing(t *testing.T) {
	set := &Set{Servers: []*Server{newServer("fe1.contoso.local:4443", "fe1.contoso.local", Address{AddrPort: netip.MustParseAddrPort("10.0.0.1:4443")}, 1)}}
	for _, host := range []string{"www.example.com", "fe1.contoso.local", "10.0.0.1", "[2001:db8::1]"} {
		text := []byte(host)
		if n := testing.AllocsPerRun(100, func() { set.Owns(text, false) }); n > 1 || n > 0 && !addressIn(text).IsValid() {
			t.Errorf("%s: %v allocations", host, n)
		}
	}
}
