package doctor

import (
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/weir-proxy/weir/test/peers"
)

// inNetwork runs f in a network namespace of its own, with an interface for each size of packets: d0 with 10.1.0.1/24, d1 with 10.1.1.1/24, and so on.
func inNetwork(t *testing.T, sizes []int, f func()) {
	t.Helper()
	peers.InOwnNetwork(t, func() {
		for i, size := range sizes {
			name := "d" + string(rune('0'+i))
			d := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name, MTU: size}, PeerName: "p" + name}
			address, _ := netlink.ParseAddr("10.1." + string(rune('0'+i)) + ".1/24")
			if err := netlink.LinkAdd(d); err != nil {
				t.Error(err)
				return
			}
			if err := netlink.AddrAdd(d, address); err != nil {
				t.Error(err)
				return
			}
			if err := netlink.LinkSetUp(d); err != nil {
				t.Error(err)
				return
			}
		}
		f()
	})
}

// says are the findings, one a line: verdict, words, repair.
func says(list []Finding) string {
	var b strings.Builder
	for _, f := range list {
		b.WriteString(string(f.Verdict) + ": " + f.Says)
		if f.Repair != "" {
			b.WriteString(" (" + f.Repair + ")")
		}
		b.WriteString("\n")
	}
	return b.String()
}

func set(t *testing.T, key, value string) {
	t.Helper()
	if err := os.WriteFile(sysctl(key), []byte(value), 0o644); err != nil {
		t.Error(err)
	}
}

func TestPacketsThatAreNotForwarded(t *testing.T) {
	const four, six = "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"
	server := Pool{Name: "p", ByClient: true, Servers: []netip.AddrPort{netip.MustParseAddrPort("10.1.0.9:80")}}
	inNetwork(t, []int{1500}, func() {
		set(t, four, "0")
		set(t, six, "1")
		for _, c := range []struct {
			job  Job
			want string
		}{
			{Job{}, ""},
			{Job{Captures: []string{"in"}, Captured: []string{"IPv4", "IPv6"}},
				"failure: IPv4 packets are not forwarded: what is not captured goes nowhere (sysctl -w net.ipv4.ip_forward=1)\nok: IPv6 packets are forwarded\n"},
			{Job{Rewritten: []string{"IPv4"}}, "failure: IPv4 packets are not forwarded: the kernel carries nothing to the servers (sysctl -w net.ipv4.ip_forward=1)\n"},
			{Job{Rewritten: []string{"IPv6"}}, "ok: IPv6 packets are forwarded\n"},
			{Job{Pools: []Pool{server}},
				"warning: IPv4 packets are not forwarded: servers whose gateway is this machine reach nobody else by it (sysctl -w net.ipv4.ip_forward=1)\n"},
		} {
			if got := says(forwarding(&c.job)); got != c.want {
				t.Errorf("%+v: %s", c.job, got)
			}
		}
		set(t, four, "1")
		if got := says(forwarding(&Job{Rewritten: []string{"IPv4"}})); got != "ok: IPv4 packets are forwarded\n" {
			t.Error(got)
		}
	})
}

func TestStrictReversePaths(t *testing.T) {
	inNetwork(t, []int{1500, 1500}, func() {
		job := &Job{Captures: []string{"in"}, Captured: []string{"IPv4"}}
		for _, device := range []string{"all", "d0", "d1"} {
			set(t, "net.ipv4.conf."+device+".rp_filter", "0")
		}
		if got := says(reversePath(job)); got != "ok: no interface is strict\n" {
			t.Error(got)
		}
		set(t, "net.ipv4.conf.d1.rp_filter", "1")
		if got := says(reversePath(job)); !strings.HasPrefix(got, "warning: d1 is strict: ") || !strings.Contains(got, "sysctl -w net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.d1.rp_filter=2") {
			t.Error(got)
		}
		set(t, "net.ipv4.conf.all.rp_filter", "2") // the larger of both holds
		if got := says(reversePath(job)); got != "ok: no interface is strict\n" {
			t.Error(got)
		}
		if got := says(reversePath(&Job{Captured: []string{"IPv6"}})); got != "" {
			t.Error(got)
		}
	})
}

func TestSizesOfPacketsThatDiffer(t *testing.T) {
	job := &Job{Captures: []string{"in"}}
	inNetwork(t, []int{1500, 1500}, func() {
		if got := says(mtu(job)); got != "ok: 1500 on all interfaces\n" {
			t.Error(got)
		}
	})
	inNetwork(t, []int{1500, 9000}, func() {
		if got := says(mtu(job)); !strings.HasPrefix(got, "warning: d1: 9000, d0: 1500: large packets") || !strings.Contains(got, "ip link set d1 mtu 1500") {
			t.Error(got)
		}
		if got := says(mtu(&Job{})); got != "" {
			t.Error(got)
		}
	})
}

func TestPortsAndOwnAddresses(t *testing.T) {
	inNetwork(t, []int{1500}, func() {
		set(t, "net.ipv4.ip_local_port_range", "20000 20999")
		own, foreign := netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("10.9.9.9")
		for _, c := range []struct {
			pool Pool
			want string
		}{
			{Pool{Name: "a", Sources: []netip.Addr{own}, Most: 1000}, "ok: 1000 for each server and own address\n"},
			{Pool{Name: "b", Sources: []netip.Addr{foreign}}, "failure: pool b: source 10.9.9.9 is no address of this machine (ip address add 10.9.9.9/32 dev d0)\n"},
			{Pool{Name: "c", Most: 2500}, "warning: pool c: 2500 connections to one server are allowed, and there are ports for 1000 (sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\", or 3 addresses in source)\n"},
			{Pool{Name: "d", Most: 2500, ByClient: true}, "ok: 1000 for each server and own address\n"},
		} {
			if got := says(ports(&Job{Pools: []Pool{c.pool}})); got != c.want {
				t.Errorf("%+v: %s", c.pool, got)
			}
		}
	})
}

func TestServersInTheClientsNetwork(t *testing.T) {
	job := &Job{Pools: []Pool{{Name: "p", ByClient: true, Servers: []netip.AddrPort{netip.MustParseAddrPort("10.1.0.9:80"), netip.MustParseAddrPort("10.7.0.9:80")}}}}
	inNetwork(t, []int{1500}, func() {
		if got := says(sharedSubnet(job)); !strings.HasPrefix(got, "warning: pool p: clients in 10.1.0.0/24, the network of server 10.1.0.9:80 on d0, ") || strings.Count(got, "\n") != 1 {
			t.Error(got)
		}
	})
	inNetwork(t, []int{1500, 1500}, func() {
		if got := says(sharedSubnet(job)); !strings.HasPrefix(got, "ok: ") {
			t.Error(got)
		}
	})
	if got := sharedSubnet(&Job{}); got != nil {
		t.Error(got)
	}
}

// Every check has a row, and one that has nothing to do says nothing.
func TestAMachineWithNothingToDo(t *testing.T) {
	inNetwork(t, nil, func() {
		for _, f := range Examine(&Job{}) {
			if f.Check == "" || f.Says == "" || f.Verdict == Fail {
				t.Errorf("%+v", f)
			}
		}
	})
}
