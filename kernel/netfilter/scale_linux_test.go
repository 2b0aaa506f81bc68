package netfilter

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// alone runs the test in a network namespace of its own.
func alone(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // never unlocked: the thread ends with the test, and the namespace with it
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatalf("network namespaces need root: %v", err)
	}
}

// many are services of every kind: ranges of ports, all addresses, both families, chance and hash.
func many(services, servers int) (list []Service) {
	for i := range services {
		s := Service{Name: fmt.Sprintf("a-listener-whose-name-is-long-%d/[fd00:1111:2222:3333:4444:5555:6666:%04x]:10000-19999", i, i), UDP: i%3 == 0, Hash: i%2 == 0,
			Hide: i%5 == 0, Address: netip.AddrFrom4([4]byte{10, 9, byte(i >> 8), byte(i)}), Ports: PortRange{10000, 19999}}
		if i%10 > 1 {
			s.Ports = PortRange{uint16(i), uint16(i)}
		}
		if i%2 == 1 {
			s.Address = netip.MustParseAddr(fmt.Sprintf("fd00:1111:2222:3333:4444:5555:6666:%04x", i))
		}
		for j := range servers {
			a := netip.AddrFrom4([4]byte{10, byte(100 + j), byte(i >> 8), byte(i)})
			if s.Address.Is6() {
				a = netip.MustParseAddr(fmt.Sprintf("fd01:1111:2222:3333:4444:5555:%04x:%04x", i, j+0x1000))
			}
			s.Servers = append(s.Servers, Server{Name: netip.AddrPortFrom(a, 8080).String(), Address: netip.AddrPortFrom(a, 8080), Weight: 1 + j*65534/max(1, servers-1)})
		}
		list = append(list, s)
	}
	return list
}

// keep says of all services whether they outlive the process.
func keep(list []Service, is bool) []Service {
	for i := range list {
		list[i].Keep = is
	}
	return list
}

// applied is how long a change may take: a second on a machine that has nothing else to do, and this test runs beside others.
const applied = 4 * time.Second

func TestAThousandServicesOfTwentyServers(t *testing.T) {
	for _, kept := range []string{"", KeptPrefix + "00000001"} {
		t.Run("kept as "+kept, func(t *testing.T) {
			alone(t)
			f := OpenForwarding(kept, "weir.yaml")
			defer f.Close()
			list := many(1000, 20)
			keep(list, kept != "")
			change := func(what string, list []Service) {
				t.Helper()
				began := time.Now()
				if err := f.Apply(list); err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				took := time.Since(began)
				t.Logf("%s: %v", what, took)
				if took > applied {
					t.Errorf("%s took %v", what, took)
				}
			}
			change("1,000 services of 20 servers", list)
			change("nothing", list)
			other := append([]Service(nil), list...)
			other[500].Servers = other[500].Servers[:19]
			change("a server is down", other)
			for i := range other {
				other[i].Servers = list[i].Servers[:19]
			}
			change("a server of each service is down", other)
			change("they are back", list)
			change("half of the services go", list[:500])
			if out, err := exec.Command("nft", "list", "ruleset").CombinedOutput(); err != nil {
				t.Errorf("nft list ruleset: %v: %.300s", err, out)
			} else if n := strings.Count(string(out), "goto s"); n < 500 {
				t.Errorf("nft shows %d of 500 services: %.3000s", n, out)
			}
			change("none is left", nil)
		})
	}
}

// What somebody else does to a table is found, and put back.
func TestATableIsRestored(t *testing.T) {
	alone(t)
	const kept = KeptPrefix + "00000002"
	f := OpenForwarding(kept, "weir.yaml")
	defer f.Close()
	list := keep(many(4, 3), true)
	if err := f.Apply(list); err != nil {
		t.Fatal(err)
	}
	if restored, err := f.Restore(); restored || err != nil {
		t.Errorf("nothing was changed: %v, %v", restored, err)
	}
	table := "inet weir-" + kept + "-nat"
	for _, spoil := range []string{"nft flush ruleset", "nft delete table " + table, "nft flush chain " + table + " in", "nft flush map " + table + " services4",
		"nft add rule " + table + " in drop", "nft add chain " + table + " s0 && nft add rule " + table + " out drop", "nft flush set " + table + " sent6"} {
		command(t, spoil)
		if restored, err := f.Restore(); !restored || err != nil {
			t.Errorf("%s: %v, %v", spoil, restored, err)
		}
		if restored, err := f.Restore(); restored || err != nil {
			t.Errorf("%s: it is not restored at once: %v, %v", spoil, restored, err)
		}
	}
	// Others change their own tables.
	command(t, "nft add table ip other")
	if restored, err := f.Restore(); restored || err != nil {
		t.Errorf("another table: %v, %v", restored, err)
	}
}

// A table that is kept is listed, taken over as it is by the next process, and removed.
func TestAKeptTableIsListedTakenOverAndRemoved(t *testing.T) {
	alone(t)
	const kept = KeptPrefix + "00000003"
	f := OpenForwarding(kept, "/etc/weir/weir.yaml")
	services := append(many(2, 2), Service{Name: "any", UDP: true, Address: netip.IPv4Unspecified(), Ports: PortRange{53, 53},
		Servers: []Server{{Name: "a", Address: netip.MustParseAddrPort("10.0.0.1:53"), Weight: 1}}})
	keep(services, true)
	if err := f.Apply(services); err != nil {
		t.Fatal(err)
	}
	before := command(t, "nft -a list table inet weir-"+kept+"-nat")
	f.Close()
	f = OpenForwarding(kept, "/etc/weir/weir.yaml")
	if err := f.Apply(services); err != nil {
		t.Fatal(err)
	}
	if after := command(t, "nft -a list table inet weir-"+kept+"-nat"); after != before {
		t.Errorf("the same services are written anew:\n%s\n%s", before, after)
	}
	f.Close()
	list, err := ListKept()
	if err != nil || len(list) != 1 || list[0].Kept != kept || list[0].Config != "/etc/weir/weir.yaml" {
		t.Fatalf("%+v, %v", list, err)
	}
	if got, want := fmt.Sprint(list[0].Addresses), "[tcp [fd00:1111:2222:3333:4444:5555:6666:1]:10000-19999 udp 0.0.0.0:53 udp 10.9.0.0:10000-19999]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if err := RemoveKept(list[0].Table); err != nil {
		t.Fatal(err)
	}
	if list, err := ListKept(); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
}

// A transaction that the kernel refuses changes nothing, however large it is.
func TestARefusedTransactionChangesNothing(t *testing.T) {
	alone(t)
	f := OpenForwarding("", "weir.yaml")
	defer f.Close()
	if err := f.Apply(many(10, 2)); err != nil {
		t.Fatal(err)
	}
	before := command(t, "nft list ruleset")
	list := many(1000, 5)
	list[999].Ports = PortRange{65535, 1}
	if err := f.Apply(list); err == nil {
		t.Error("it is not refused")
	}
	if after := command(t, "nft list ruleset"); after != before {
		t.Errorf("it is committed: %.1000s", after)
	}
	if err := f.Apply(many(1000, 5)); err != nil {
		t.Errorf("after one that was refused: %v", err)
	}
}

func command(t *testing.T, text string) string {
	t.Helper()
	out, err := exec.Command("sh", "-c", text).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %.500s", text, err, out)
	}
	return string(out)
}

func TestMain(m *testing.M) { os.Exit(m.Run()) }

// Direct return is one table for each interface; nft shows it, too.
func TestDirectReturnOfManyServices(t *testing.T) {
	alone(t)
	command(t, "ip link add lan0 type veth peer name lan1 && ip link set lan0 up")
	f := OpenForwarding("", "weir.yaml")
	defer f.Close()
	list := many(1000, 5)
	for i := range list {
		list[i].Direct, list[i].Hide = "lan0", false
		for j := range list[i].Servers {
			list[i].Servers[j].Hardware = [6]byte{2, 0, 0, byte(j), byte(i >> 8), byte(i)}
		}
	}
	for _, services := range [][]Service{list[:2], list, list[:100], nil} {
		began := time.Now()
		if err := f.Apply(services); err != nil {
			t.Fatal(err)
		}
		t.Logf("%d services: %v", len(services), time.Since(began))
		command(t, "nft list ruleset")
	}
}
