package networks

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// outcome is what becomes of a TCP connection from an address of the host: "taken" by a server that answers, or the error.
func (h *host) outcome(t *testing.T, from, to string) string {
	t.Helper()
	c, err := h.dialFrom(from, to)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "no answer"
	case err != nil:
		return err.Error()
	}
	defer c.Close()
	if got := ask(t, c, bufio.NewReader(c)); !strings.HasPrefix(got, "200 ") {
		return got
	}
	return "taken"
}

// answered reports whether a datagram from an address of the host is answered.
func (h *host) answered(t *testing.T, from, to string) bool {
	t.Helper()
	var c net.Conn
	h.do(func() (err error) {
		d := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(from)}}
		c, err = d.Dial("udp", to)
		return err
	})
	defer c.Close()
	return answers(c)
}

func answers(c net.Conn) bool {
	c.SetDeadline(time.Now().Add(300 * time.Millisecond))
	c.Write([]byte("x"))
	n, err := c.Read(make([]byte, 100))
	return err == nil && n > 0
}

const guarded = `
listeners:
  web:   { address: ["IP4:8080", "[IP6]:8080"], protocol: tcp, pool: web, ACCESS }
  range: { address: ["IP4:8100-8110", "[IP6]:8100-8110"], protocol: tcp, pool: range, ACCESS }
  echo:  { address: ["IP4:7100", "[IP6]:7100"], protocol: udp, pool: echo, ACCESS }
  open:  { address: ["IP4:8200"], protocol: tcp, pool: open }
pools:
  web:   { servers: ["10.2.0.2:8080", "10.2.0.3:8080", "[fd02::2]:8080", "[fd02::3]:8080"], MODE }
  range: { servers: ["10.2.0.2:8105", "[fd02::2]:8105"], MODE }
  echo:  { servers: ["10.2.0.2:7100", "[fd02::2]:7100"], MODE }
  open:  { servers: ["10.2.0.2:8200"], MODE }
admin: { socket: DIR/admin.sock, address: 127.0.0.1:9180 }
data: DIR/data
logs: { access: off }
`

// The kernel refuses the clients that the listener's allow and deny exclude, as weir does in mode: proxy; connections that are established when the lists change stay.
func TestTheKernelRefusesClientsThatAListenerExcludes(t *testing.T) {
	for _, mode := range []struct {
		name, mode, ip4, ip6, net4, net6 string
		lan                              func(t *testing.T) (client, weir *host, servers [2]*host)
	}{
		{"nat", "mode: nat", "10.1.0.1", "fd01::1", "10.1.0.", "fd01::", farm},
		{"nat that is kept", "mode: nat, on_stop: keep", "10.1.0.1", "fd01::1", "10.1.0.", "fd01::", farm},
		{"source NAT", "mode: nat, snat: on", "10.1.0.1", "fd01::1", "10.1.0.", "fd01::", farm},
		{"direct", "mode: direct, interface: eth0", "10.2.0.100", "fd02::100", "10.2.0.", "fd02::", switched},
	} {
		t.Run(mode.name, func(t *testing.T) {
			client, weir, servers := mode.lan(t)
			for _, s := range servers {
				s.web(":8105")
				s.web(":8200")
				if mode.name == "direct" { // answers have to come from the service's address
					s.echoes(mode.ip4 + ":7100")
					s.echoes("[" + mode.ip6 + "]:7100")
				} else {
					s.echoes(":7100")
				}
			}
			a4, b4, a6, b6 := mode.net4+"21", mode.net4+"22", mode.net6+"21", mode.net6+"22"
			client.up("eth0", fmt.Sprintf("%s/24 %s/24 %s/64 %s/64", a4, b4, a6, b6))
			config := func(access string) string {
				return strings.NewReplacer("ACCESS", access, "MODE", mode.mode, "IP4", mode.ip4, "IP6", mode.ip6).Replace(guarded)
			}
			// expect checks who is taken, of both clients and in both families, by every guarded listener.
			expect := func(what string, a, b bool) {
				t.Helper()
				for from, isTaken := range map[string]bool{a4: a, b4: b, a6: a, b6: b} {
					ip := mode.ip4
					if strings.Contains(from, ":") {
						ip = mode.ip6
					}
					want := map[bool]string{true: "taken", false: "refused"}[isTaken]
					for _, port := range []string{"8080", "8105"} {
						if got := client.outcome(t, from, net.JoinHostPort(ip, port)); got != want {
							t.Errorf("%s: tcp from %s to port %s: %s, expected %s", what, from, port, got, want)
						}
					}
					if echo := net.JoinHostPort(ip, "7100"); isTaken {
						within(t, 5*time.Second, what+": an answer by udp to "+from, func() bool { return client.answered(t, from, echo) })
					} else if client.answered(t, from, echo) {
						t.Errorf("%s: udp from %s is answered", what, from)
					}
				}
				if got := client.outcome(t, b4, mode.ip4+":8200"); got != "taken" {
					t.Errorf("%s: the listener without lists: %s", what, got)
				}
			}
			w := weir.weir(config(""))
			within(t, 10*time.Second, "the servers to be found", func() bool {
				return client.outcome(t, b4, mode.ip4+":8080") == "taken" && client.outcome(t, b6, net.JoinHostPort(mode.ip6, "8080")) == "taken" &&
					client.answered(t, b4, mode.ip4+":7100") && client.answered(t, b6, net.JoinHostPort(mode.ip6, "7100"))
			})
			expect("without lists", true, true)
			kept, err := client.dialFrom(b4, mode.ip4+":8080")
			if err != nil {
				t.Fatal(err)
			}
			defer kept.Close()
			r := bufio.NewReader(kept)
			ask(t, kept, r)
			var flow net.Conn
			client.do(func() (err error) {
				d := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(b4)}}
				flow, err = d.Dial("udp", mode.ip4+":7100")
				return err
			})
			defer flow.Close()
			if !answers(flow) {
				t.Fatal("a flow does not begin")
			}
			stay := func(what string) {
				t.Helper()
				if got := ask(t, kept, r); !strings.HasPrefix(got, "200 ") {
					t.Errorf("%s: the established connection: %s", what, got)
				}
				if !answers(flow) {
					t.Errorf("%s: the flow that there is ends", what)
				}
			}
			w.reload(t, config(fmt.Sprintf("allow: [%s, %s]", a4, a6)))
			expect("allow alone", true, false)
			stay("allow alone")
			weir.isCounted(t)
			w.reload(t, config(fmt.Sprintf("deny: [%s, %s]", a4, a6)))
			expect("deny alone", false, true)
			w.reload(t, config(fmt.Sprintf("allow: [%s0/24, %s/64], deny: [%s, %s]", mode.net4, mode.net6, b4, b6)))
			expect("both", true, false)
			stay("both")
			w.reload(t, config("allow: [192.0.2.0/24]"))
			expect("allow of one family and another network", false, false)
			stay("another network")
			w.reload(t, config(""))
			expect("without lists again", true, true)
			w.stop()
		})
	}
}

// isCounted checks that nft, and the metrics, count what was refused.
func (h *host) isCounted(t *testing.T) {
	t.Helper()
	if n := metric(h.get("http://127.0.0.1:9180/metrics"), `weir_listener_kernel_refused_total{listener="web"}`); n < 2 {
		t.Errorf("%v refused connections are counted", n)
	}
}

// A listener of all addresses, with a range of ports, and connections of this machine itself.
func TestTheKernelRefusesClientsOfAListenerOfAllAddresses(t *testing.T) {
	client, weir, servers := farm(t)
	servers[0].web(":8105")
	client.up("eth0", "10.1.0.21/24 10.1.0.22/24 fd01::21/64 fd01::22/64")
	const config = `
listeners: { web: { address: ":8100-8110", protocol: tcp, pool: web, ACCESS } }
pools: { web: { servers: ["10.2.0.2:8105", "[fd02::2]:8105"], mode: nat, snat: on } }
admin: off
`
	w := weir.weir(strings.Replace(config, "ACCESS", `deny: [10.1.0.22, "fd01::22"]`, 1))
	expect := func(want map[string]string) {
		t.Helper()
		for from, outcome := range want {
			to := "10.1.0.1"
			if strings.Contains(from, ":") {
				to = "fd01::1"
			}
			if got := client.outcome(t, from, net.JoinHostPort(to, "8107")); got != outcome {
				t.Errorf("from %s: %s, expected %s", from, got, outcome)
			}
		}
	}
	expect(map[string]string{"10.1.0.21": "taken", "10.1.0.22": "refused", "fd01::21": "taken", "fd01::22": "refused"})
	if got := weir.outcome(t, "10.1.0.1", "10.1.0.1:8100"); got != "taken" {
		t.Errorf("this machine's own: %s", got)
	}
	w.reload(t, strings.Replace(config, "ACCESS", `allow: ["fd01::22"]`, 1))
	expect(map[string]string{"10.1.0.21": "refused", "10.1.0.22": "refused", "fd01::21": "refused", "fd01::22": "taken"})
	if got := weir.outcome(t, "10.1.0.1", "10.1.0.1:8100"); got != "refused" {
		t.Errorf("this machine's own: %s", got)
	}
	w.reload(t, "listeners: { other: { address: \"10.1.0.1:8200\", protocol: tcp, pool: web } }\npools: { web: { servers: [\"10.2.0.2:8105\"], mode: nat } }\nadmin: off\n") // a guarded service goes
	if got := client.outcome(t, "10.1.0.22", "10.1.0.1:8200"); got != "taken" {
		t.Errorf("another listener: %s", got)
	}
}
