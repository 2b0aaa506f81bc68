package netfilter

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A service that moves to a table that outlives the process, or back, or from one kind of table to another, is missing in no generation of the tables.
func TestAServiceThatMovesBetweenTablesIsNeverMissing(t *testing.T) {
	alone(t)
	command(t, "ip link add lan0 type veth peer name lan1 && ip link set lan0 up")
	f := OpenForwarding(KeptPrefix+"00000004", "weir.yaml")
	defer f.Close()
	service := func(keep bool, device string) []Service {
		return []Service{{Name: "web", Address: netip.MustParseAddr("10.0.0.1"), Ports: PortRange{80, 80}, Keep: keep, Direct: device,
			Servers: []Server{{Name: "a", Address: netip.MustParseAddrPort("10.0.0.2:80"), Weight: 1, Hardware: [6]byte{2, 0, 0, 0, 0, 1}}}}}
	}
	if err := f.Apply(service(false, "")); err != nil {
		t.Fatal(err)
	}
	watched, err := openSocket()
	if err != nil {
		t.Fatal(err)
	}
	defer watched.close()
	stop, done := make(chan struct{}), make(chan struct{})
	var looked atomic.Int64
	go func() {
		defer close(done)
		countServices(t, watched, stop, &looked)
	}()
	for range 20 {
		for _, to := range [][]Service{service(true, ""), service(false, ""), service(false, "lan0"), service(true, "lan0"), service(false, "lan0"), service(true, "")} {
			if err := f.Apply(to); err != nil {
				t.Fatal(err)
			}
			for before, by := looked.Load(), time.Now().Add(10*time.Second); looked.Load() == before && !t.Failed(); time.Sleep(100 * time.Microsecond) {
				if time.Now().After(by) {
					t.Fatal("the tables cannot be read")
				}
			}
		}
	}
	close(stop)
	<-done
	if list, err := ListKept(); err != nil || len(list) != 1 || list[0].Device != "" {
		t.Errorf("what is kept: %+v, %v", list, err)
	}
}

// countServices reads the tables again and again; whenever no transaction came between, at least one of them must have the service.
func countServices(t *testing.T, s *socket, stop <-chan struct{}, whole *atomic.Int64) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		before, err := s.generation()
		if err != nil {
			t.Error(err)
			return
		}
		services := 0
		heads, err := s.tableHeads()
		for _, h := range heads {
			list, e := s.listens(h.family, h.name)
			err, services = errors.Join(err, e), services+len(list)
		}
		after, e := s.generation()
		if err != nil || e != nil || before != after {
			continue // a table came or went while it was read
		}
		if whole.Add(1); services == 0 {
			t.Errorf("no table has the service: %v", heads)
			return
		}
	}
}

// Flows of direct return are remembered across a move.
func TestFlowsMoveWithTheirService(t *testing.T) {
	alone(t)
	command(t, "ip link add lan0 type veth peer name lan1 && ip link set lan0 up")
	const kept = KeptPrefix + "00000005"
	f := OpenForwarding(kept, "weir.yaml")
	services := []Service{{Name: "web", Address: netip.MustParseAddr("10.0.0.1"), Ports: PortRange{80, 80}, Direct: "lan0",
		Servers: []Server{{Name: "a", Address: netip.MustParseAddrPort("10.0.0.2:80"), Weight: 1, Hardware: [6]byte{2, 0, 0, 0, 0, 1}}}}}
	if err := f.Apply(services); err != nil {
		t.Fatal(err)
	}
	remember := func(client string) {
		t.Helper()
		table := f.tables[tableKey{"lan0", services[0].Keep}]
		b := newBatch(table.family, table.name)
		key := endpoint(6, netip.MustParseAddr(client), 4000) + endpoint(0, netip.MustParseAddr("10.0.0.1"), 80)[4:]
		b.addElements(flowSet+"4", []element{{key: key, data: idOf(&services[0], &services[0].Servers[0])}})
		if err := f.socket.commit(b); err != nil {
			t.Fatal(err)
		}
	}
	count := func() (n int) {
		t.Helper()
		all, _, err := f.Flows()
		if err != nil {
			t.Fatal(err)
		}
		return all[Way{Device: "lan0", Service: services[0].Name, Server: netip.MustParseAddrPort("10.0.0.2:0")}]
	}
	remember("192.0.2.1")
	for i, isKept := range []bool{true, false, true} {
		services = keep(slices.Clone(services), isKept)
		if err := f.Apply(services); err != nil {
			t.Fatal(err)
		}
		if isKept {
			remember(fmt.Sprintf("192.0.2.%d", 10+i))
		}
		if n, want := count(), i+2-i/2; isKept && n < want {
			t.Errorf("kept %v: %d flows are remembered, expected %d", isKept, n, want)
		} else if n == 0 {
			t.Errorf("kept %v: no flow is remembered", isKept)
		}
	}
	f.Close() // and to another process that does not keep the table
	f = OpenForwarding(kept, "weir.yaml")
	defer f.Close()
	services = keep(slices.Clone(services), false)
	if err := f.Apply(services); err != nil {
		t.Fatal(err)
	}
	if n := count(); n < 3 {
		t.Errorf("the next process: %d flows are remembered", n)
	}
	if list, err := ListKept(); err != nil || len(list) != 0 {
		t.Errorf("what is kept: %+v, %v", list, err)
	}
}

// Check finds what the kernel would refuse, and leaves nothing.
func TestCheckRefusesWhatApplyWould(t *testing.T) {
	alone(t)
	none := &Rules{}
	good := many(20, 3)
	if err := Check(good, &Rules{Mark: 1, Borrowed: true, Captures: []Capture{{Listener: 80, Keep: true, Ports: []PortRange{{1, 100}}}}}); err != nil {
		t.Errorf("good services: %v", err)
	}
	bad := slices.Clone(good)
	bad[19].Ports = PortRange{65535, 1}
	if err := Check(bad, none); err == nil {
		t.Error("a range that ends before it begins is not refused")
	}
	direct := slices.Clone(good)
	direct[0].Direct = "lo"
	if err := Check(direct, none); err == nil || !strings.Contains(err.Error(), "lo has no Ethernet address") {
		t.Errorf("direct return on lo: %v", err)
	}
	if got := command(t, "nft list ruleset"); got != "" {
		t.Errorf("it leaves %s", got)
	}
}

// The sets and rules of ended connections are made by the first End, are put back when somebody removes them, and nft shows them.
func TestEndedConnectionsAreKeptInTheKernel(t *testing.T) {
	alone(t)
	command(t, "ip link add lan0 type veth peer name lan1 && ip link set lan0 up")
	f := OpenForwarding(KeptPrefix+"00000006", "weir.yaml")
	defer f.Close()
	services := keep(many(4, 2), true)
	services[3].Direct, services[3].Hide, services[3].Ports = "lan0", false, PortRange{80, 80}
	for i := range services[3].Servers {
		services[3].Servers[i].Hardware = [6]byte{2, 0, 0, 0, 0, byte(i)}
	}
	if err := f.Apply(services); err != nil {
		t.Fatal(err)
	}
	var list []Connection
	for i := range 3000 {
		client := netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(1000+i))
		list = append(list, Connection{Client: client, Listen: netip.MustParseAddrPort("10.9.0.0:10000"), Server: netip.MustParseAddrPort("10.100.0.0:8080"), Back: client})
	}
	for range 2 { // the same ones again are no error
		if err := f.End(list); err != nil {
			t.Fatal(err)
		}
	}
	table := "inet weir-" + KeptPrefix + "00000006-nat"
	if n := strings.Count(command(t, "nft list set "+table+" ended4"), "expires"); n != 6000 {
		t.Errorf("%d directions of 6000 are refused", n)
	}
	if !strings.Contains(command(t, "nft list ruleset"), "reject with tcp reset") {
		t.Error("nft does not show the rule that resets")
	}
	command(t, "nft flush chain "+table+" ended")
	if restored, err := f.Restore(); !restored || err != nil {
		t.Errorf("%v, %v", restored, err)
	}
	if err := f.Apply(services[:2]); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(command(t, "nft list set "+table+" ended4"), "expires"); n != 6000 {
		t.Errorf("after a change: %d directions of 6000 are refused", n)
	}
}

// The table of the process goes once a kept one has its services; one that refuses ended connections stays for that.
func TestTheTableOfTheProcessGoesWhenAKeptOneTakesItsPlace(t *testing.T) {
	alone(t)
	command(t, "ip link set lo up")
	f := OpenForwarding(KeptPrefix+"00000007", "weir.yaml")
	defer f.Close()
	service := func(keep bool) []Service {
		return []Service{{Name: "web", Address: netip.MustParseAddr("127.0.0.9"), Ports: PortRange{80, 80}, Keep: keep, Access: Access{Deny: prefixes("127.0.0.0/8")},
			Servers: []Server{{Name: "a", Address: netip.MustParseAddrPort("127.0.0.1:80"), Weight: 1}}}}
	}
	refused := func() uint64 {
		t.Helper()
		all, err := f.CountRefused()
		if err != nil {
			t.Fatal(err)
		}
		return all["web"]
	}
	want := uint64(0)
	for _, keep := range []bool{false, true, false, true} {
		if err := f.Apply(service(keep)); err != nil {
			t.Fatal(err)
		}
		tables := command(t, "nft list tables")
		if strings.Count(tables, "-nat") != 1 || strings.Contains(tables, "kept") != keep {
			t.Errorf("kept %v: %s", keep, tables)
		}
		if got := refused(); got != want {
			t.Errorf("kept %v: %d are counted as refused, expected %d", keep, got, want)
		}
		if c, err := net.Dial("tcp", "127.0.0.9:80"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("%v, %v", c, err)
		}
		if want++; refused() != want {
			t.Errorf("%d are counted as refused, expected %d", refused(), want)
		}
	}
	if err := f.Apply(service(false)); err != nil {
		t.Fatal(err)
	}
	if err := f.End([]Connection{{Client: netip.MustParseAddrPort("127.0.0.1:4000"), Listen: netip.MustParseAddrPort("127.0.0.9:80"), Server: netip.MustParseAddrPort("127.0.0.1:80"), Back: netip.MustParseAddrPort("127.0.0.1:4000")}}); err != nil {
		t.Fatal(err)
	}
	if err := f.Apply(service(true)); err != nil {
		t.Fatal(err)
	}
	if tables := command(t, "nft list tables"); strings.Count(tables, "-nat") != 2 {
		t.Errorf("the table that refuses an ended connection is gone: %s", tables)
	}
}
