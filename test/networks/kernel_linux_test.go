package networks

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// farm is a client and two servers, with weir's machine between two networks.
func farm(t *testing.T) (client, weir *host, servers [2]*host) {
	client, weir = newHost(t, "client"), newHost(t, "weir")
	connect(client, "eth0", "10.1.0.2/24 fd01::2/64", weir, "inside", "10.1.0.1/24 fd01::1/64")
	client.route("0.0.0.0/0", "10.1.0.1")
	client.route("::/0", "fd01::1")
	weir.forwards()
	servers = behind(t, weir)
	return client, weir, servers
}

// behind puts two servers into one network with weir: 10.2.0.2 and 10.2.0.3, whose gateway it is.
func behind(t *testing.T, weir *host) (servers [2]*host) {
	weir.bridge("outside", "10.2.0.1/24 fd02::1/64")
	for i := range servers {
		s := newHost(t, fmt.Sprintf("server%d", i+2))
		connect(s, "eth0", fmt.Sprintf("10.2.0.%d/24 fd02::%d/64", i+2, i+2), weir, fmt.Sprintf("port%d", i), "")
		weir.plug("outside", fmt.Sprintf("port%d", i))
		s.route("0.0.0.0/0", "10.2.0.1")
		s.route("::/0", "fd02::1")
		s.web(":8080")
		servers[i] = s
	}
	return servers
}

// bridge makes a switch that the host is connected to.
func (h *host) bridge(name, addresses string) {
	h.t.Helper()
	h.do(func() error { return netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: name}}) })
	h.up(name, addresses)
}

func (h *host) plug(bridge, port string) {
	h.t.Helper()
	h.do(func() error {
		b, err := netlink.LinkByName(bridge)
		if err != nil {
			return err
		}
		p, err := netlink.LinkByName(port)
		if err != nil {
			return err
		}
		return netlink.LinkSetMaster(p, b)
	})
}

const natted = `
listeners:
  web: { address: "10.1.0.1:80", protocol: tcp, pool: web }
  web6: { address: "[fd01::1]:80", protocol: tcp, pool: web6 }
pools:
  web:  { servers: [{ address: "10.2.0.2:8080", weight: 1 }, { address: "10.2.0.3:8080", weight: 3 }], mode: nat, OPTIONS health: { type: tcp, every: 200ms, timeout: 200ms, fall: 1, rise: 1 } }
  web6: { servers: ["[fd02::2]:8080"], mode: nat }
admin: { socket: off, address: 127.0.0.1:9180 }
logs: { access: off }
`

// Two-arm NAT: the kernel rewrites destinations, servers see their clients, and what is established stays when servers come and go.
func TestTheKernelRewritesDestinations(t *testing.T) {
	client, weir, servers := farm(t)
	w := weir.weir(strings.ReplaceAll(natted, "OPTIONS", ""))
	seen := client.spread(t, "http://10.1.0.1/", 80)
	if a, b := seen["200 server2 was asked by 10.1.0.2"], seen["200 server3 was asked by 10.1.0.2"]; a+b != 80 || a < 8 || a > 36 {
		t.Errorf("of 80 requests %d and %d came to servers of weight 1 and 3: %v", a, b, seen)
	}
	if got := client.get("http://[fd01::1]/"); got != "200 server2 was asked by fd01::2" {
		t.Errorf("IPv6: %q", got)
	}
	status := weir.get("http://127.0.0.1:9180/metrics")
	if n := metric(status, `weir_server_requests_total{address="10.2.0.3:8080"`); n < 44 {
		t.Errorf("the kernel's counters are not in the metrics: %v connections", n)
	}
	if n := metric(status, `weir_server_received_bytes_total{address="10.2.0.3:8080"`); n < 44*100 {
		t.Errorf("the kernel's counters are not in the metrics: %v bytes", n)
	}

	// A server that is down gets nothing new within the check's time; the connection that is established to it lives on.
	kept, r := client.keepTo(t, "10.1.0.1:80", "server3")
	servers[1].command("ip link set lo up") // as it was
	stop := servers[1].refuse(t)
	within(t, 2*time.Second, "new connections to go to the other server alone", func() bool {
		return client.get("http://10.1.0.1/") == "200 server2 was asked by 10.1.0.2" && client.spread(t, "http://10.1.0.1/", 10)["200 server2 was asked by 10.1.0.2"] == 10
	})
	if got := ask(t, kept, r); got != "200 server3 was asked by 10.1.0.2" {
		t.Errorf("the established connection: %q", got)
	}
	stop()
	within(t, 2*time.Second, "the server to be back", func() bool { return client.spread(t, "http://10.1.0.1/", 10)["200 server3 was asked by 10.1.0.2"] > 0 })

	// A reload that drains it, likewise.
	w.reload(t, strings.ReplaceAll(strings.ReplaceAll(natted, "OPTIONS", ""), "weight: 3", "weight: 3, drain: true"))
	within(t, 2*time.Second, "the server to be drained", func() bool {
		return client.spread(t, "http://10.1.0.1/", 10)["200 server2 was asked by 10.1.0.2"] == 10
	})
	if got := ask(t, kept, r); got != "200 server3 was asked by 10.1.0.2" {
		t.Errorf("the established connection: %q", got)
	}
	w.stop()
	if got := client.get("http://10.1.0.1/"); strings.HasPrefix(got, "200") {
		t.Errorf("after weir has stopped: %q", got)
	}
	weir.isClean(t)
}

// One-arm: clients and servers are in one network, so that servers see this machine's address and answer through it.
func TestOneArmWithSourceNAT(t *testing.T) {
	weir := newHost(t, "weir")
	weir.forwards()
	behind(t, weir)
	client := newHost(t, "client")
	connect(client, "eth0", "10.2.0.9/24 fd02::9/64", weir, "port9", "")
	weir.plug("outside", "port9")
	weir.weir(strings.NewReplacer("OPTIONS", "snat: on,", "10.1.0.1", "10.2.0.1", "fd01::1", "fd02::1", "mode: nat }", "mode: nat, snat: on }").Replace(natted))
	if got := client.get("http://[fd02::1]/"); got != "200 server2 was asked by fd02::1" {
		t.Errorf("IPv6: %q", got)
	}
	seen := client.spread(t, "http://10.2.0.1/", 40)
	if a, b := seen["200 server2 was asked by 10.2.0.1"], seen["200 server3 was asked by 10.2.0.1"]; a+b != 40 || a == 0 || b == 0 {
		t.Errorf("%v", seen)
	}
}

// Two pools may have the same servers, and one of them hides clients from them.
func TestSourceNATIsOfThePoolAndNotOfTheServer(t *testing.T) {
	client, weir, _ := farm(t)
	const config = `
listeners:
  plain:  { address: ["10.1.0.1:80", "[fd01::1]:80"], protocol: tcp, pool: plain }
  hidden: { address: ["10.1.0.1:81", "[fd01::1]:81"], protocol: tcp, pool: hidden }
  all:    { address: ":82-89", protocol: tcp, pool: hidden }
  some:   { address: "10.1.0.1:85", protocol: tcp, pool: plain }
pools:
  plain:  { servers: ["10.2.0.2:8080", "[fd02::2]:8080"], mode: nat }
  hidden: { servers: ["10.2.0.2:8080", "[fd02::2]:8080"], mode: nat, snat: on }
admin: off
`
	w := weir.weir(config)
	shows := func(plain, hidden string) {
		t.Helper()
		for to, from := range map[string]string{"10.1.0.1:80": plain, "10.1.0.1:81": hidden, "10.1.0.1:84": hidden, "10.1.0.1:85": plain} {
			if got := client.get("http://" + to + "/"); got != "200 server2 was asked by "+from {
				t.Errorf("%s: %q, expected %s", to, got, from)
			}
		}
	}
	shows("10.1.0.2", "10.2.0.1")
	for to, from := range map[string]string{"80": "fd01::2", "81": "fd02::1", "83": "fd02::1"} {
		if got := client.get("http://[fd01::1]:" + to + "/"); got != "200 server2 was asked by "+from {
			t.Errorf("IPv6, port %s: %q, expected %s", to, got, from)
		}
	}
	kept, r := client.keepTo(t, "10.1.0.1:81", "server2")
	w.reload(t, strings.Replace(config, ", snat: on", "", 1))
	shows("10.1.0.2", "10.1.0.2")
	hidden, other := client.keepTo(t, "10.1.0.1:80", "server2")
	w.reload(t, strings.Replace(config, "mode: nat", "mode: nat, snat: on", 1)) // the plan says that connections stay
	shows("10.2.0.1", "10.2.0.1")
	if got := ask(t, kept, r); got != "200 server2 was asked by 10.2.0.1" {
		t.Errorf("a connection from before snat: off: %q", got)
	}
	if got := ask(t, hidden, other); got != "200 server2 was asked by 10.1.0.2" {
		t.Errorf("a connection from before snat: on: %q", got)
	}
}

const nattedDatagrams = `
listeners: { echo: { address: "10.1.0.1:7", protocol: udp, pool: echo } }
pools: { echo: { servers: ["10.2.0.2:7100", "10.2.0.3:7100"], mode: nat } }
admin: off
`

// Datagrams, too: a client's flow stays with its server, flows are spread.
func TestTheKernelRewritesDestinationsOfDatagrams(t *testing.T) {
	client, weir, servers := farm(t)
	for _, s := range servers {
		s.echoes(":7100")
	}
	w := weir.weir(nattedDatagrams)
	seen := map[string]int{}
	for range 30 {
		c, err := client.dial("udp", "10.1.0.1:7")
		if err != nil {
			t.Fatal(err)
		}
		first := says(c, "x")
		for range 3 {
			if got := says(c, "x"); got != first {
				t.Errorf("a flow moves: %q, then %q", first, got)
			}
		}
		seen[first]++
		c.Close()
	}
	if len(seen) != 2 || seen["server2: 10.1.0.2 says x"] == 0 || seen["server3: 10.1.0.2 says x"] == 0 {
		t.Errorf("%v", seen)
	}
	w.stop()
	weir.isClean(t)
}

// A flow leaves a server that is taken out with its next datagram, and stays with one that is drained.
func TestTheKernelMovesFlowsFromServersThatAreOut(t *testing.T) {
	client, weir, servers := farm(t)
	for _, s := range servers {
		s.echoes(":7100")
	}
	w := weir.weir(nattedDatagrams)
	c, err := client.dial("udp", "10.1.0.1:7")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	first := says(c, "x")
	by := map[string]string{"server2: 10.1.0.2 says x": "10.2.0.2:7100", "server3: 10.1.0.2 says x": "10.2.0.3:7100"}[first]
	if by == "" {
		t.Fatalf("%q", first)
	}
	w.reload(t, strings.Replace(nattedDatagrams, `"`+by+`"`, `{ address: "`+by+`", drain: true }`, 1))
	time.Sleep(1500 * time.Millisecond) // longer than the kernel's tables are behind
	if got := says(c, "x"); got != first {
		t.Errorf("after a drain: %q, not %q", got, first)
	}
	other := "10.2.0.2:7100"
	if by == other {
		other = "10.2.0.3:7100"
	}
	w.reload(t, strings.Replace(nattedDatagrams, `"10.2.0.2:7100", "10.2.0.3:7100"`, `"`+other+`"`, 1))
	for end := time.Now().Add(5 * time.Second); says(c, "x") == first; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the flow stays with a server that is gone")
		}
	}
	w.stop()
	weir.isClean(t)
}

// A client's connections stay with one server, and only those of a server that leaves move.
func TestTheKernelHashesClients(t *testing.T) {
	client, weir, _ := farm(t)
	weir.weir(strings.ReplaceAll(natted, "OPTIONS", "balance: { hash: { on: client_ip } },"))
	if seen := client.spread(t, "http://10.1.0.1/", 20); len(seen) != 1 {
		t.Errorf("one client came to %v", seen)
	}
	all := map[string]int{}
	for i := 10; i < 40; i++ {
		address := fmt.Sprintf("10.1.0.%d", i)
		client.up("eth0", address+"/24")
		c, err := client.dialFrom(address, "10.1.0.1:80")
		if err != nil {
			t.Fatal(err)
		}
		all[strings.Fields(ask(t, c, bufio.NewReader(c)))[1]]++
		c.Close()
	}
	if all["server2"] == 0 || all["server3"] < all["server2"] {
		t.Errorf("30 clients came to %v", all)
	}
}

// What stays of a weir that is killed is what on_stop says, and the next start takes it over without a cut.
func TestForwardingOutlivesAKilledWeirIfAsked(t *testing.T) {
	for _, keep := range []string{"remove", "keep"} {
		t.Run(keep, func(t *testing.T) {
			client, weir, _ := farm(t)
			config := strings.ReplaceAll(natted, "OPTIONS", "on_stop: "+keep+",")
			w := weir.weir(config)
			kept, r := client.keepTo(t, "10.1.0.1:80", "server")
			w.Process.Kill()
			<-w.done
			got := client.get("http://10.1.0.1/")
			if keep == "remove" {
				if strings.HasPrefix(got, "200") {
					t.Errorf("it goes on: %q", got)
				}
				weir.isClean(t)
				return
			}
			if !strings.HasPrefix(got, "200") {
				t.Fatalf("it does not go on: %q", got)
			}
			var failed, asked atomic.Int64
			stop := make(chan struct{})
			done := make(chan struct{})
			go func() {
				defer close(done)
				for {
					select {
					case <-stop:
						return
					default:
					}
					asked.Add(1)
					if got := client.get("http://10.1.0.1/"); !strings.HasPrefix(got, "200") {
						failed.Add(1)
						t.Log(got)
					}
				}
			}()
			w = weir.weirIn(w.Dir, config)
			time.Sleep(300 * time.Millisecond)
			close(stop)
			<-done
			if failed.Load() > 0 || asked.Load() < 20 {
				t.Errorf("%d of %d requests failed while another weir took over", failed.Load(), asked.Load())
			}
			if got := ask(t, kept, r); !strings.HasPrefix(got, "200") {
				t.Errorf("the established connection: %q", got)
			}
			w.reload(t, strings.ReplaceAll(config, "on_stop: keep,", "on_stop: remove,"))
			if got := client.get("http://10.1.0.1/"); !strings.HasPrefix(got, "200") {
				t.Errorf("after a reload to remove: %q", got)
			}
			w.stop()
			weir.isClean(t)
		})
	}
}

// Each change replaces the kernel's rules: no packet may fall between the old and the new.
func TestNoChangeOfForwardingRefusesAClient(t *testing.T) {
	client, weir, _ := farm(t)
	config := strings.ReplaceAll(natted, "OPTIONS", "")
	w := weir.weir(config)
	var failed, asked atomic.Int64
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				asked.Add(1)
				if got := client.get("http://10.1.0.1/"); !strings.HasPrefix(got, "200") {
					failed.Add(1)
					t.Log(got)
				}
			}
		})
	}
	for i := 0; i < 100 || asked.Load() < 1000 && failed.Load() == 0; i++ {
		w.reload(t, strings.ReplaceAll(config, "weight: 3", fmt.Sprintf("weight: %d", 1+i%5)))
	}
	close(stop)
	clients.Wait()
	if failed.Load() > 0 {
		t.Errorf("%d of %d requests failed", failed.Load(), asked.Load())
	}
}

const direct = `
listeners:
  web:  { address: "10.2.0.100:8080", protocol: tcp, pool: web }
  web6: { address: "[fd02::100]:8080", protocol: tcp, pool: web6 }
pools:
  web:  { servers: ["10.2.0.2:8080", "10.2.0.3:8080"], mode: direct, interface: outside, health: { type: tcp, every: 200ms, timeout: 200ms, fall: 1, rise: 1 } }
  web6: { servers: ["[fd02::2]:8080", "[fd02::3]:8080"], mode: direct, interface: outside }
admin: { socket: off, address: 127.0.0.1:9180 }
logs: { access: off }
`

// Direct return: packets reach the server by way of weir with the service's address still in them, and the server answers its client itself.
func TestServersAnswerTheirClientsThemselves(t *testing.T) {
	weir := newHost(t, "weir")
	servers := behind(t, weir)
	weir.up("outside", "10.2.0.100/24 fd02::100/64")
	client := newHost(t, "client")
	connect(client, "eth0", "10.2.0.9/24 fd02::9/64", weir, "port9", "")
	weir.plug("outside", "port9")
	for _, s := range servers {
		// The service's address on the loopback, and nobody told of it.
		s.sysctl("ipv4/conf/all/arp_ignore", "1")
		s.sysctl("ipv4/conf/all/arp_announce", "2")
		s.up("lo", "10.2.0.100/32 fd02::100/128")
	}
	weir.weir(direct)
	within(t, 5*time.Second, "both servers to be found and to answer", func() bool {
		seen := client.spread(t, "http://10.2.0.100:8080/", 10)
		return seen["200 server2 was asked by 10.2.0.9"] > 0 && seen["200 server3 was asked by 10.2.0.9"] > 0
	})
	within(t, 5*time.Second, "IPv6", func() bool {
		seen := client.spread(t, "http://[fd02::100]:8080/", 10)
		return seen["200 server2 was asked by fd02::9"] > 0 && seen["200 server3 was asked by fd02::9"] > 0
	})
	before := weir.received(t, "outside")
	c, err := client.dialFrom("10.2.0.9", "10.2.0.100:8080")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := bufio.NewReader(c)
	const size = 3 << 20
	fmt.Fprintf(c, "GET /size HTTP/1.1\r\nHost: a\r\n\r\n")
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, response.Body)
	if err != nil || n != size {
		t.Fatalf("%d bytes, %v", n, err)
	}
	if passed := weir.received(t, "outside") - before; passed > size/4 {
		t.Errorf("%d bytes came to weir of an answer of %d", passed, size)
	}
	stop := servers[0].refuse(t)
	within(t, 2*time.Second, "the server that is down to get nothing", func() bool {
		return client.spread(t, "http://10.2.0.100:8080/", 10)["200 server3 was asked by 10.2.0.9"] == 10
	})
	stop()
}

// spread asks n times on connections of their own, and counts the answers.
func (h *host) spread(t *testing.T, url string, n int) map[string]int {
	t.Helper()
	seen := map[string]int{}
	for range n {
		seen[h.get(url)]++
	}
	return seen
}

// keepTo opens connections until one is to the server.
func (h *host) keepTo(t *testing.T, address, server string) (net.Conn, *bufio.Reader) {
	t.Helper()
	for range 100 {
		c, err := h.dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(c)
		if strings.Contains(ask(t, c, r), server) {
			t.Cleanup(func() { c.Close() })
			return c, r
		}
		c.Close()
	}
	t.Fatalf("no connection came to %s", server)
	return nil, nil
}

// ask asks on a connection that is kept.
func ask(t *testing.T, c net.Conn, r *bufio.Reader) string {
	t.Helper()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		return err.Error()
	}
	return text(response)
}

// refuse has the host refuse new connections, and not end those that there are, until stop is called.
func (h *host) refuse(t *testing.T) (stop func()) {
	h.command("nft add table ip out && nft 'add chain ip out in { type filter hook input priority 0; }' && nft 'add rule ip out in tcp dport 8080 tcp flags syn / syn,ack reject with tcp reset'")
	return func() { h.command("nft delete table ip out") }
}

// received is how many bytes have come to an interface of the host for the host itself.
func (h *host) received(t *testing.T, device string) (n int) {
	h.do(func() error {
		link, err := netlink.LinkByName(device)
		if err == nil {
			n = int(link.Attrs().Statistics.RxBytes)
		}
		return err
	})
	return n
}

// metric sums up the metrics that begin with a name and label.
func metric(all, prefix string) (sum float64) {
	for line := range strings.Lines(all) {
		if strings.HasPrefix(strings.TrimPrefix(line, "200 "), prefix) {
			var one float64
			fmt.Sscan(line[strings.LastIndexByte(line, ' ')+1:], &one)
			sum += one
		}
	}
	return sum
}

// reload gives a running weir another configuration.
func (p *process) reload(t *testing.T, config string) {
	t.Helper()
	before := strings.Count(p.out.String(), "msg=reloaded")
	if err := os.WriteFile(filepath.Join(p.Dir, "weir.yaml"), []byte(settled(config, p.Dir)), 0o644); err != nil {
		t.Fatal(err)
	}
	p.Process.Signal(syscall.SIGHUP)
	within(t, 5*time.Second, "the reload", func() bool { return strings.Count(p.out.String(), "msg=reloaded") > before })
}
