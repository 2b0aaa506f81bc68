package netfilter

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

func prefixes(list ...string) (out []netip.Prefix) {
	for _, text := range list {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

func TestPermittedRangesOfAccess(t *testing.T) {
	for _, c := range []struct {
		allow, deny []string
		is4         bool
		want        []string
	}{
		{nil, []string{"10.0.0.0/8"}, true, []string{"0.0.0.0-9.255.255.255", "11.0.0.0-255.255.255.255"}},
		{[]string{"10.0.0.0/8"}, nil, true, []string{"10.0.0.0-10.255.255.255"}},
		{[]string{"10.0.0.0/8"}, nil, false, nil},
		{[]string{"10.0.0.0/9", "10.128.0.0/9", "10.1.0.0/16"}, []string{"10.1.2.3/32", "10.255.255.255/32"}, true, []string{"10.0.0.0-10.1.2.2", "10.1.2.4-10.255.255.254"}},
		{[]string{"::ffff:10.0.0.0/104"}, nil, true, []string{"10.0.0.0-10.255.255.255"}},
		{nil, []string{"0.0.0.0/0"}, true, nil},
		{nil, []string{"0.0.0.0/0"}, false, []string{"::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}},
		{nil, []string{"0.0.0.0/32", "255.255.255.255/32"}, true, []string{"0.0.0.1-255.255.255.254"}},
		{[]string{"fd00::/8", "fd01::/16"}, []string{"fd01::/16"}, false, []string{"fd00::-fd00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fd02::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}},
	} {
		a := Access{prefixes(c.allow...), prefixes(c.deny...)}
		var got []string
		for _, r := range a.permitted(c.is4) {
			got = append(got, r.first.String()+"-"+r.last.String())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("allow %v, deny %v, IPv4 %v: %v, expected %v", c.allow, c.deny, c.is4, got, c.want)
		}
	}
}

// Random lists permit what they say, address by address, and no range adjoins the next.
func TestPermittedRangesOfRandomAccess(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	list := func() (out []netip.Prefix) {
		for range random.IntN(6) {
			var ip [4]byte
			binary.BigEndian.PutUint32(ip[:], random.Uint32()&0x80000007|uint32(random.IntN(4))<<8)
			out = append(out, netip.PrefixFrom(netip.AddrFrom4(ip), []int{0, 1, 8, 22, 24, 29, 30, 31, 32}[random.IntN(9)]))
		}
		return out
	}
	has := func(list []netip.Prefix, a netip.Addr) bool {
		return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	for range 3000 {
		a := Access{list(), list()}
		permitted := a.permitted(true)
		for i := 1; i < len(permitted); i++ {
			if !permitted[i-1].last.Next().Less(permitted[i].first) {
				t.Fatalf("%+v: %v", a, permitted)
			}
		}
		for n := range 64 {
			var ip [4]byte
			binary.BigEndian.PutUint32(ip[:], uint32(n%8)|uint32(n/8%4)<<8|uint32(n/32)<<31)
			client := netip.AddrFrom4(ip)
			want := !has(a.Deny, client) && (len(a.Allow) == 0 || has(a.Allow, client))
			got := slices.ContainsFunc(permitted, func(r addressRange) bool { return !client.Less(r.first) && !r.last.Less(client) })
			if got != want {
				t.Fatalf("%+v, %v: %v, expected %v", a, client, got, want)
			}
		}
	}
}
