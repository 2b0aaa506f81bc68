package routing

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/weir-proxy/weir/test/peers"
)

// inNetwork runs f in a network namespace of its own, with lo up and the interface d0, which has 10.1.0.1/24.
func inNetwork(t *testing.T, f func()) {
	t.Helper()
	peers.InOwnNetwork(t, func() {
		for _, command := range []string{"link set lo up", "link add d0 type veth peer name d1", "address add 10.1.0.1/24 dev d0", "link set d0 up", "link set d1 up"} {
			if out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
				t.Errorf("ip %s: %v\n%s", command, err, out)
				return
			}
		}
		f()
	})
}

func TestMarkedPacketsHaveTheirWayAsLongAsItIsAsked(t *testing.T) {
	inNetwork(t, func() {
		l := Local{Mark: 0x77, Table: 7700}
		missing := l.Missing()
		if len(missing) < 2 || l.IsThere() {
			t.Errorf("at first %q is missing", missing)
		}
		if err := l.Remove(); err != nil {
			t.Errorf("nothing is removed: %v", err)
		}
		for range 2 { // the second time it is there already
			if err := l.Add(); err != nil {
				t.Error(err)
			}
			if !l.IsThere() {
				t.Errorf("%q is missing", l.Missing())
			}
		}
		if rules, _ := netlink.RuleList(unix.AF_INET); len(rules) != 4 { // the system's three and one
			t.Errorf("%d rules", len(rules))
		}
		if another := (Local{Mark: 0x78, Table: 7800}); another.IsThere() {
			t.Error("another mark's way is taken for this one's")
		}
		for range 2 {
			if err := l.Remove(); err != nil {
				t.Error(err)
			}
		}
		if got := l.Missing(); !slices.Equal(got, missing) {
			t.Errorf("after the removal %q is missing, at first %q", got, missing)
		}
	})
}

// The commands that are named repair what somebody has removed, each its own part.
func TestCommandsThatAreNamedRepair(t *testing.T) {
	inNetwork(t, func() {
		l := Local{Mark: 0x77, Table: 7700}
		for _, removed := range []string{"ip rule del fwmark 0x77", "ip route flush table 7700", "ip rule del fwmark 0x77; ip route flush table 7700"} {
			if err := l.Add(); err != nil {
				t.Error(err)
			}
			if out, err := exec.Command("sh", "-c", removed).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", removed, err, out)
			}
			commands := l.Missing()
			if want := 1 + strings.Count(removed, ";"); len(commands) != want {
				t.Errorf("after %s: %q", removed, commands)
			}
			for _, c := range commands {
				if out, err := exec.Command("sh", "-c", c).CombinedOutput(); err != nil {
					t.Errorf("%s: %v\n%s", c, err, out)
				}
			}
			if !l.IsThere() {
				t.Errorf("after %s, and the commands, %q is missing", removed, l.Missing())
			}
		}
	})
}

func TestNeighbourIsWhatTheKernelKnows(t *testing.T) {
	inNetwork(t, func() {
		d0, err := netlink.LinkByName("d0")
		if err != nil {
			t.Error(err)
			return
		}
		at := d0.Attrs().Index
		known, _ := net.ParseMAC("02:00:00:00:00:01")
		add := func(ip string, state int, mac net.HardwareAddr) {
			if err := netlink.NeighSet(&netlink.Neigh{LinkIndex: at, IP: net.ParseIP(ip), State: state, HardwareAddr: mac}); err != nil {
				t.Errorf("%s: %v", ip, err)
			}
		}
		add("10.1.0.2", netlink.NUD_PERMANENT, known)
		add("10.1.0.3", netlink.NUD_STALE, known)
		add("10.1.0.4", netlink.NUD_FAILED, nil)
		add("fd00::2", netlink.NUD_PERMANENT, known)
		for ip, isKnown := range map[string]bool{"10.1.0.2": true, "10.1.0.3": true, "10.1.0.4": false, "10.1.0.5": false, "fd00::2": true, "fd00::3": false} {
			mac, err := Neighbour("d0", netip.MustParseAddr(ip))
			if isKnown && (err != nil || mac != [6]byte(known)) || !isKnown && !errors.Is(err, ErrUnknown) {
				t.Errorf("%s: %x, %v", ip, mac, err)
			}
		}
		if _, err := Neighbour("nosuch", netip.MustParseAddr("10.1.0.2")); err == nil || errors.Is(err, ErrUnknown) {
			t.Errorf("an interface that is not there: %v", err)
		}
	})
}

// track puts an entry into connection tracking: a client's, whose destination was rewritten.
func track(t *testing.T, c Carried, state uint8) {
	t.Helper()
	ip := func(a netip.AddrPort) net.IP { return a.Addr().AsSlice() }
	flow := &netlink.ConntrackFlow{FamilyType: unix.AF_INET, TimeOut: 100,
		Forward: netlink.IPTuple{Protocol: unix.IPPROTO_TCP, SrcIP: ip(c.Client), SrcPort: c.Client.Port(), DstIP: ip(c.Listen), DstPort: c.Listen.Port()},
		Reverse: netlink.IPTuple{Protocol: unix.IPPROTO_TCP, SrcIP: ip(c.Server), SrcPort: c.Server.Port(), DstIP: ip(c.Back), DstPort: c.Back.Port()}}
	if c.Client.Addr().Is6() {
		flow.FamilyType = unix.AF_INET6
	}
	if c.UDP {
		flow.Forward.Protocol, flow.Reverse.Protocol = unix.IPPROTO_UDP, unix.IPPROTO_UDP
	} else {
		flow.ProtoInfo = &netlink.ProtoInfoTCP{State: state}
	}
	if err := netlink.ConntrackCreate(netlink.ConntrackTable, netlink.InetFamily(flow.FamilyType), flow); err != nil {
		t.Errorf("%+v: %v", c, err)
	}
}

func carried(udp bool, client, listen, server string) Carried {
	c := netip.MustParseAddrPort(client)
	return Carried{udp, c, netip.MustParseAddrPort(listen), netip.MustParseAddrPort(server), c}
}

func TestWhatTheKernelCarriesIsListedAndForgotten(t *testing.T) {
	inNetwork(t, func() {
		tcp := carried(false, "10.2.0.1:1000", "10.1.0.1:80", "10.1.0.7:8080")
		udp := carried(true, "10.2.0.1:1000", "10.1.0.1:53", "10.1.0.7:5353")
		six := carried(true, "[fd02::1]:1000", "[fd00::1]:53", "[fd00::7]:5353")
		ended := carried(false, "10.2.0.1:1001", "10.1.0.1:80", "10.1.0.7:8080")
		own := carried(false, "10.2.0.1:1002", "10.1.0.1:80", "10.1.0.1:80") // nothing was rewritten
		for _, c := range []Carried{tcp, udp, six, own} {
			track(t, c, nl.TCP_CONNTRACK_ESTABLISHED)
		}
		track(t, ended, nl.TCP_CONNTRACK_TIME_WAIT)
		sorted := func(list []Carried) string {
			var all []string
			for _, c := range list {
				all = append(all, fmt.Sprint(c))
			}
			slices.Sort(all)
			return strings.Join(all, "\n")
		}
		lists := func(what string, want ...Carried) {
			got, err := ListCarried(func(Carried) bool { return true })
			if err != nil || sorted(got) != sorted(want) {
				t.Errorf("%s: %v\n%s\nwant\n%s", what, err, sorted(got), sorted(want))
			}
		}
		lists("at first", tcp, udp, six)
		if list, err := ListCarried(func(c Carried) bool { return c.UDP }); err != nil || len(list) != 2 {
			t.Errorf("of datagrams: %v, %v", list, err)
		}
		if err := ForgetCarried([]Carried{tcp, carried(true, "10.9.9.9:1", "10.1.0.1:53", "10.1.0.7:5353")}); err != nil {
			t.Error(err)
		}
		lists("without the connection", udp, six)
		for _, other := range []Flows{
			{Service: udp.Listen.Addr(), First: 54, Last: 60, Server: udp.Server},
			{Service: udp.Listen.Addr(), First: 53, Last: 53, Server: netip.MustParseAddrPort("10.1.0.8:5353")},
			{Service: netip.MustParseAddr("10.1.0.2"), First: 53, Last: 53, Server: udp.Server},
			{Service: udp.Listen.Addr(), First: 53, Last: 53}, // those of this machine itself
		} {
			if err := ForgetFlows([]Flows{other}); err != nil {
				t.Error(err)
			}
		}
		lists("after others were forgotten", udp, six)
		if err := ForgetFlows([]Flows{{Service: netip.IPv4Unspecified(), First: 50, Last: 60, Server: udp.Server}}); err != nil {
			t.Error(err)
		}
		lists("without the flow of IPv4", six)
		if err := ForgetFlows([]Flows{{Service: six.Listen.Addr(), First: 53, Last: 53, Server: six.Server}}); err != nil {
			t.Error(err)
		}
		lists("without any flow")
	})
}

// What is cut off or nonsense is left out, and harms nobody.
func TestEntriesThatAreNonsenseAreLeftOut(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		b := make([]byte, rng.IntN(80))
		for i := range b {
			b[i] = byte(rng.IntN(12))
			if rng.IntN(8) == 0 {
				b[i] = byte(rng.IntN(256))
			}
		}
		trackedOf(b)
	}
}

func TestPortsAreThoseOfTheSystemsRange(t *testing.T) {
	inNetwork(t, func() {
		const file = "/proc/sys/net/ipv4/ip_local_port_range"
		text, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
			return
		}
		var first, last int
		fmt.Sscan(string(text), &first, &last)
		if got := Ports(); got != last-first+1 || got <= 0 {
			t.Errorf("%d ports of %q", got, text)
		}
	})
}
