package doctor

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func addresses(list ...string) (a []netip.Addr) {
	for _, s := range list {
		if s == "" {
			a = append(a, netip.Addr{})
			continue
		}
		a = append(a, netip.MustParseAddr(s))
	}
	return a
}

func networks(list ...string) (n []netip.Prefix) {
	for _, s := range list {
		n = append(n, netip.MustParsePrefix(s))
	}
	return n
}

func TestWhichFamiliesAreCaptured(t *testing.T) {
	for _, c := range []struct {
		addresses []string
		from, to  []string
		want      string
	}{
		{[]string{""}, nil, nil, "IPv4 IPv6"},
		{[]string{"::"}, nil, nil, "IPv4 IPv6"},
		{[]string{"0.0.0.0"}, nil, nil, "IPv4"},
		{[]string{"10.0.0.1"}, nil, nil, "IPv4"},
		{[]string{"2001:db8::1"}, nil, nil, "IPv6"},
		{[]string{"10.0.0.1", "2001:db8::1"}, nil, nil, "IPv4 IPv6"},
		{[]string{""}, []string{"10.0.0.0/8"}, nil, "IPv4"},
		{[]string{""}, nil, []string{"2001:db8::/32"}, "IPv6"},
		{[]string{""}, []string{"10.0.0.0/8"}, []string{"2001:db8::/32"}, ""},
		{[]string{"10.0.0.1"}, []string{"2001:db8::/32"}, nil, ""},
	} {
		var j Job
		j.Capture("in", addresses(c.addresses...), networks(c.from...), networks(c.to...))
		slices.Sort(j.Captured)
		if got := strings.Join(j.Captured, " "); got != c.want || strings.Join(j.Captures, " ") != "in" {
			t.Errorf("%+v: %q by %q", c, got, j.Captures)
		}
	}
}

func TestWhichFamiliesAreRewritten(t *testing.T) {
	four := &Pool{Servers: []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:80")}}
	six := &Pool{Servers: []netip.AddrPort{netip.MustParseAddrPort("[2001:db8::1]:80")}}
	for _, c := range []struct {
		pool *Pool
		from string
		want string
	}{
		{four, "", "IPv4"}, {six, "", "IPv6"}, {four, "10.0.0.2", "IPv4"}, {four, "2001:db8::2", ""}, {six, "10.0.0.2", ""}, {&Pool{}, "", ""},
	} {
		var j Job
		for range 2 { // a family is noted once
			j.Rewrites(c.pool, addresses(c.from)[0])
		}
		if got := strings.Join(j.Rewritten, " "); got != c.want {
			t.Errorf("%+v from %q: %q, want %q", c.pool, c.from, got, c.want)
		}
	}
}
