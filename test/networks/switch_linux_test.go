package networks

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// switched is one network: a learning switch that is a machine of its own, with weir, a client and two servers as ordinary hosts on it.
func switched(t *testing.T) (client, weir *host, servers [2]*host) {
	t.Helper()
	middle := newHost(t, "switch")
	middle.bridge("lan", "")
	plug := func(name, addresses string) *host {
		h := newHost(t, name)
		connect(h, "eth0", addresses, middle, "to-"+name, "")
		middle.plug("lan", "to-"+name)
		return h
	}
	weir = plug("weir", "10.2.0.1/24 10.2.0.100/24 fd02::1/64 fd02::100/64")
	client = plug("client", "10.2.0.9/24 fd02::9/64")
	for i := range servers {
		s := plug(fmt.Sprintf("server%d", i+2), fmt.Sprintf("10.2.0.%d/24 fd02::%d/64", i+2, i+2))
		s.sysctl("ipv4/conf/all/arp_ignore", "1")
		s.sysctl("ipv4/conf/all/arp_announce", "2")
		s.up("lo", "10.2.0.100/32 fd02::100/128")
		s.web(":8080")
		servers[i] = s
	}
	return client, weir, servers
}

const switchedDirect = `
listeners:
  web:  { address: "10.2.0.100:8080", protocol: tcp, pool: web }
  web6: { address: "[fd02::100]:8080", protocol: tcp, pool: web6 }
pools:
  web:  { servers: ["10.2.0.2:8080", "10.2.0.3:8080"], mode: direct, interface: eth0 }
  web6: { servers: ["[fd02::2]:8080", "[fd02::3]:8080"], mode: direct, interface: eth0 }
admin: { socket: off, address: 127.0.0.1:9180 }
logs: { access: off }
`

// A switch learns where a hardware address is from the frames that come from it: those that weir sends on must not come from the client's. And a server that is drained keeps
// the connections that it has.
func TestDirectReturnOverALearningSwitch(t *testing.T) {
	client, weir, _ := switched(t)
	w := weir.weir(switchedDirect)
	both := func(url string) bool {
		seen := client.spread(t, url, 12)
		a, b := 0, 0
		for answer, n := range seen {
			switch {
			case strings.HasPrefix(answer, "200 server2 was asked by "):
				a += n
			case strings.HasPrefix(answer, "200 server3 was asked by "):
				b += n
			}
		}
		return a > 0 && b > 0 && a+b == 12
	}
	within(t, 10*time.Second, "both servers to answer, and every request to be answered", func() bool { return both("http://10.2.0.100:8080/") })
	within(t, 10*time.Second, "IPv6", func() bool { return both("http://[fd02::100]:8080/") })
	weir.do(func() error {
		out, err := exec.Command("nft", "list", "ruleset").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "ingress") {
			t.Errorf("nft list ruleset: %v: %s", err, out)
		}
		return nil
	})

	kept, r := client.keepTo(t, "10.2.0.100:8080", "server3")
	w.reload(t, strings.Replace(switchedDirect, `"10.2.0.3:8080"`, `{ address: "10.2.0.3:8080", drain: true }`, 1))
	within(t, 5*time.Second, "the server to get nothing new", func() bool {
		return client.spread(t, "http://10.2.0.100:8080/", 10)["200 server2 was asked by 10.2.0.9"] == 10
	})
	if got := ask(t, kept, r); got != "200 server3 was asked by 10.2.0.9" {
		t.Errorf("the established connection to the drained server: %q", got)
	}
}

// A pool that goes from direct return to destination NAT, or back, loses its connections: the plan says so.
func TestThePlanSaysThatDirectReturnAndNATResetConnections(t *testing.T) {
	client, weir, servers := switched(t)
	at := []<-chan net.Conn{servers[0].accepts(t, ":9000"), servers[1].accepts(t, ":9000")}
	weir.sysctl("ipv4/ip_forward", "1")
	nat := strings.ReplaceAll(endedDirect, "mode: direct, interface: eth0", "mode: nat, snat: on")
	w := weir.weir(endedDirect)
	for _, config := range []string{nat, endedDirect} {
		within(t, 10*time.Second, "servers to be found", func() bool {
			c, err := client.dial("tcp", "10.2.0.100:9000")
			if err == nil {
				join(t, c, at)
			}
			return err == nil
		})
		c := client.joinAt(t, "10.2.0.100:9000", 1, at)
		c.lives(t, "before")
		before := w.out.String()
		w.reload(t, config)
		said := strings.TrimPrefix(w.out.String(), before)
		if !strings.Contains(said, "TCP connections are reset") || strings.Contains(said, "counters and connections") {
			t.Errorf("the plan: %s", said)
		}
		isReset(t, c.client, "the client")
	}
	w.stop()
}

const tunnelled = `
listeners:
  web: { address: "10.1.0.1:80", protocol: tcp, pool: web, timeouts: { drain: 200ms } }
pools:
  web:  { servers: ["10.2.0.2:8080", "10.2.0.3:8080"], MODE }
admin: { socket: off, address: 127.0.0.1:9180 }
data: DIR/data
logs: { access: off }
`

// A pool that becomes one of the kernel's, or weir's again, keeps the connections that it has.
func TestTunnelsStayWhenTheModeOfTheirPoolChanges(t *testing.T) {
	client, weir, _ := farm(t)
	proxy, nat := strings.Replace(tunnelled, "MODE", "mode: proxy", 1), strings.Replace(tunnelled, "MODE", "mode: nat", 1)
	w := weir.weir(proxy)
	byWeir, r1 := client.keepTo(t, "10.1.0.1:80", "server3 was asked by 10.2.0.1")
	w.reload(t, nat)
	for by := time.Now().Add(1500 * time.Millisecond); time.Now().Before(by); time.Sleep(50 * time.Millisecond) { // longer than a dropped listener's connections may go on
		if got := ask(t, byWeir, r1); got != "200 server3 was asked by 10.2.0.1" {
			t.Fatalf("proxy to nat: %q", got)
		}
	}
	if !strings.Contains(w.out.String(), "gives 10.1.0.1:80 to the kernel: its tunnels go on here until they end") {
		t.Error("the plan does not say what becomes of tunnels")
	}
	byKernel, r2 := client.keepTo(t, "10.1.0.1:80", "server2 was asked by 10.1.0.2")
	within(t, 5*time.Second, "the connection that stands to be counted", func() bool { // those of health checks and of earlier requests end
		all := weir.get("http://127.0.0.1:9180/metrics")
		return metric(all, `weir_listener_connections{listener="web"}`) == 1 && metric(all, `weir_server_requests_active{address="10.2.0.2:8080"`) == 1
	})
	w.reload(t, proxy)
	if got := client.get("http://10.1.0.1/"); !strings.HasSuffix(got, "was asked by 10.2.0.1") {
		t.Errorf("a new connection: %q", got)
	}
	if got := ask(t, byKernel, r2); got != "200 server2 was asked by 10.1.0.2" {
		t.Errorf("nat to proxy: %q", got)
	}
	if got := ask(t, byWeir, r1); got != "200 server3 was asked by 10.2.0.1" {
		t.Errorf("proxy to nat and back: %q", got)
	}
	w.stop() // which does not wait for either for longer than drain
}

// A client that goes on sending from one socket gets answers when the kernel takes its flow over, also where a firewall has the kernel remember flows that weir carries, and where
// the flow began while no server was well.
func TestFlowsGoOnWhenTheKernelTakesThemOver(t *testing.T) {
	client, weir, servers := farm(t)
	for _, s := range servers {
		s.echoes(":7100")
	}
	weir.command("nft add table ip wall && nft 'add chain ip wall in { type filter hook prerouting priority 0; }' && nft 'add rule ip wall in ct state established accept'")
	config := func(pool string) string {
		return "listeners: { echo: { address: \"10.1.0.1:7\", protocol: udp, pool: echo } }\npools: { echo: { servers: [\"10.2.0.2:7100\"], " + pool + " } }\nadmin: { socket: DIR/admin.sock }\ndata: DIR/data\n"
	}
	w := weir.weir(config("mode: proxy"))
	c, err := client.dial("udp", "10.1.0.1:7")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	within(t, 5*time.Second, "weir to carry the flow", func() bool { return says(c, "x") == "server2: 10.2.0.1 says x" })
	w.reload(t, config("mode: nat"))
	within(t, 5*time.Second, "the kernel to carry the flow", func() bool { return says(c, "x") == "server2: 10.1.0.2 says x" })

	server := func(verb string) {
		t.Helper()
		if out, good := weir.weirCommand(w.Dir, verb, "10.2.0.2:7100", "--address", filepath.Join(w.Dir, "admin.sock")); !good {
			t.Fatalf("weir %s: %s", verb, out)
		}
	}
	server("disable")
	early, err := client.dial("udp", "10.1.0.1:7")
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close()
	for range 3 {
		if answers(early) {
			t.Error("somebody answers")
		}
	}
	server("enable")
	within(t, 5*time.Second, "the server to be back", func() bool { return answers(early) })
}
