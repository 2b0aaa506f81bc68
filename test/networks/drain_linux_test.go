package networks

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

// drains runs weir drain --wait on the host, and returns the process.
func (h *host) drains(w *process, server string) *process {
	h.t.Helper()
	return h.run(w.Dir, weirBinary(h.t), "drain", server, "--wait", "--timeout", "30s", "--address", filepath.Join(w.Dir, "admin.sock"))
}

const sharedNAT = `
listeners:
  web:   { address: "10.1.0.1:90", protocol: tcp, pool: web }
  other: { address: "10.1.0.1:100-109", protocol: tcp, pool: other }
pools:
  web:   { servers: ["10.2.0.2:9000"], mode: nat }
  other: { servers: ["10.2.0.2:9000"], mode: nat }
admin: { socket: DIR/admin.sock, address: 127.0.0.1:9180 }
logs: { access: off }
`

const sharedDirect = `
listeners:
  web:   { address: "10.2.0.100:9000", protocol: tcp, pool: web }
  other: { address: "10.2.0.100:9001", protocol: tcp, pool: other }
pools:
  web:   { servers: ["10.2.0.2:9000"], mode: direct, interface: eth0 }
  other: { servers: ["10.2.0.2:9001"], mode: direct, interface: eth0 }
admin: { socket: DIR/admin.sock, address: 127.0.0.1:9180 }
logs: { access: off }
`

// Pools that share a server have their own open connections, nothing is counted twice, and a drain or kill in one pool leaves the other alone.
func TestPoolsThatShareAServerAreCountedApart(t *testing.T) {
	for _, c := range []struct {
		name, config, web, other, server, second string
		lan                                      func(t *testing.T) (client, weir *host, servers [2]*host)
		row                                      string // of the other pool in weir status
	}{
		{"nat", sharedNAT, "10.1.0.1:90", "10.1.0.1:105", "10.2.0.2:9000", "10.2.0.2:9000", farm, "other 10.2.0.2:9000 10.2.0.2:9000 not checked 1 in web 2"},
		{"direct", sharedDirect, "10.2.0.100:9000", "10.2.0.100:9001", "10.2.0.2:9000", "10.2.0.2:9001", switched, "other 10.2.0.2:9001 10.2.0.2:9001 not checked 1 - 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, weir, servers := c.lan(t)
			at := []<-chan net.Conn{servers[0].accepts(t, ":9000"), servers[0].accepts(t, ":9001")}
			w := weir.weir(c.config)
			within(t, 10*time.Second, "the server to be found", func() bool {
				for _, to := range []string{c.web, c.other} {
					conn, err := client.dial("tcp", to)
					if err != nil {
						return false
					}
					j, _ := join(t, conn, at)
					j.client.Close()
					j.server.Close()
				}
				return true
			})
			var open [3]joined
			for i, to := range []string{c.web, c.other, c.other} {
				conn, err := client.dial("tcp", to)
				if err != nil {
					t.Fatal(err)
				}
				open[i], _ = join(t, conn, at)
				open[i].lives(t, to)
			}
			of := func(metrics, name, pool, server string) float64 {
				return metric(metrics, name+`{address="`+server+`",pool="`+pool+`"`)
			}
			active := func(web, other float64) {
				t.Helper()
				within(t, 10*time.Second, "the connections of each pool", func() bool {
					all := weir.get("http://127.0.0.1:9180/metrics")
					return of(all, "weir_server_requests_active", "web", c.server) == web && of(all, "weir_server_requests_active", "other", c.second) == other
				})
			}
			active(1, 2)
			all := weir.get("http://127.0.0.1:9180/metrics")
			if a, b := of(all, "weir_server_requests_total", "web", c.server), of(all, "weir_server_requests_total", "other", c.second); c.name == "nat" && (a < 5 || b != 0) {
				t.Errorf("%v and %v connections", a, b)
			}
			if a, b := of(all, "weir_server_sent_bytes_total", "web", c.server), of(all, "weir_server_sent_bytes_total", "other", c.second); a == b || a == 0 {
				t.Errorf("%v and %v bytes", a, b)
			}
			out, _ := weir.weirCommand(w.Dir, "status", "--address", filepath.Join(w.Dir, "admin.sock"))
			if !strings.Contains(strings.Join(strings.Fields(out), " "), c.row) {
				t.Errorf("no row %q in\n%s", c.row, out)
			}
			open[0].client.Close()
			open[0].server.Close()
			active(0, 2)
			if out, good := weir.weirCommand(w.Dir, "drain", c.server, "--pool", "web", "--wait", "--timeout", "5s", "--address", filepath.Join(w.Dir, "admin.sock")); !good {
				t.Errorf("the drain waits for the other pool's connections: %s", out)
			}
			weir.kill(t, w, c.server, "--pool", "web")
			open[1].lives(t, "the other pool's")
			weir.kill(t, w, c.second, "--pool", "other")
			isReset(t, open[1].client, "the other pool's")
			w.stop()
		})
	}
}

// A drain gets nothing new from the moment on that the command returns, keeps what there is, and waits for it.
func TestDrainWaitsForWhatTheKernelCarries(t *testing.T) {
	for _, c := range []struct {
		name, config, to, server, other string
		lan                             func(t *testing.T) (client, weir *host, servers [2]*host)
	}{
		{"nat", strings.ReplaceAll(endedNAT, "OPTIONS", ""), "10.1.0.1:90", "10.2.0.3:9000", "10.2.0.2:9000", farm},
		{"nat over IPv6", strings.ReplaceAll(endedNAT, "OPTIONS", ""), "[fd01::1]:90", "[fd02::3]:9000", "[fd02::2]:9000", farm},
		{"nat that is kept", strings.ReplaceAll(endedNAT, "OPTIONS", "on_stop: keep,"), "10.1.0.1:90", "10.2.0.3:9000", "10.2.0.2:9000", farm},
		{"direct", endedDirect, "10.2.0.100:9000", "10.2.0.3:9000", "10.2.0.2:9000", switched},
		{"direct over IPv6", endedDirect, "[fd02::100]:9000", "[fd02::3]:9000", "[fd02::2]:9000", switched},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, weir, servers := c.lan(t)
			at := []<-chan net.Conn{servers[0].accepts(t, ":9000"), servers[1].accepts(t, ":9000")}
			w := weir.weir(c.config)
			within(t, 10*time.Second, "both servers to be found", func() bool {
				conn, err := client.dial("tcp", c.to)
				if err != nil {
					return false
				}
				j, i := join(t, conn, at)
				j.client.Close()
				j.server.Close()
				return i == 1
			})
			kept := client.joinAt(t, c.to, 1, at)
			kept.lives(t, "before")
			drain := weir.drains(w, c.server)
			within(t, 5*time.Second, "the drain to say what is left", func() bool { return strings.Contains(drain.out.String(), "1 request under way") })
			for range 30 {
				conn, err := client.dial("tcp", c.to)
				if err != nil {
					t.Fatal(err)
				}
				j, i := join(t, conn, at)
				if i == 1 {
					t.Fatal("a new connection comes to the drained server")
				}
				j.client.Close()
				j.server.Close()
			}
			kept.lives(t, "while it drains")
			select {
			case <-drain.done:
				t.Fatalf("the drain does not wait: %s", drain.out)
			default:
			}
			kept.client.Close()
			kept.server.Close()
			select {
			case <-drain.done:
			case <-time.After(10 * time.Second):
				t.Fatalf("the drain does not end: %s", drain.out)
			}
			if !drain.ProcessState.Success() || !strings.Contains(drain.out.String(), ": empty") {
				t.Errorf("%v: %s", drain.ProcessState, drain.out)
			}
			w.stop()
		})
	}
}

// Tables that a renamed configuration has left are listed and removed, and those of the weir that runs are told from them.
func TestKernelListsAndRemovesWhatARenamedConfigurationHasLeft(t *testing.T) {
	client, weir, _ := farm(t)
	config := strings.ReplaceAll(natted, "OPTIONS", "on_stop: keep,")
	w := weir.weir(config)
	w.stop()
	if got := client.get("http://10.1.0.1/"); !strings.HasPrefix(got, "200") {
		t.Fatalf("it is not kept: %q", got)
	}
	if err := os.Rename(filepath.Join(w.Dir, "weir.yaml"), filepath.Join(w.Dir, "old.yaml")); err != nil {
		t.Fatal(err)
	}
	out, good := weir.weirCommand(w.Dir, "kernel", "list")
	table, _, _ := strings.Cut(out, " ")
	if !good || !strings.HasPrefix(table, "weir-kept-") || !strings.Contains(out, filepath.Join(w.Dir, "weir.yaml")) || !strings.Contains(out, "tcp 10.1.0.1:80") {
		t.Fatalf("weir kernel list: %v, %s", good, out)
	}

	// Another configuration for the same address is told of them, and they take its traffic until they are removed.
	other := weir.weir(strings.ReplaceAll(config, "on_stop: keep,", "on_stop: keep, snat: on,"))
	if !strings.Contains(other.out.String(), "by tables that another one has left") {
		t.Errorf("the start does not warn: %s", other.out)
	}
	if list, _ := weir.examine(other); find(list, "kept tables", table) == nil {
		t.Errorf("weir doctor: %+v", list)
	}
	out, _ = weir.weirCommand(w.Dir, "kernel", "list")
	if strings.Count(out, "weir-kept-") != 2 || strings.Count(out, "used by no running weir") != 1 || !strings.Contains(out, fmt.Sprintf("used by the running weir, process %d", other.Process.Pid)) {
		t.Errorf("weir kernel list: %s", out)
	}
	if out, good := weir.weirCommand(w.Dir, "kernel", "remove", "weir-kept-00000000-nat"); good || !strings.Contains(out, "no table") {
		t.Errorf("weir kernel remove of one that is not there: %v, %s", good, out)
	}
	if out, good := weir.weirCommand(w.Dir, "kernel", "remove", table); !good || !strings.Contains(out, "removed "+table) {
		t.Errorf("weir kernel remove: %v, %s", good, out)
	}
	if out, _ := weir.weirCommand(w.Dir, "kernel", "list"); strings.Contains(out, table) || strings.Count(out, "weir-kept-") != 1 {
		t.Errorf("afterwards: %s", out)
	}
	if got := client.get("http://10.1.0.1/"); !strings.HasSuffix(got, "was asked by 10.2.0.1") {
		t.Errorf("the other configuration does not get its traffic: %q", got)
	}
	if out, good := weir.weirCommand(w.Dir, "kernel", "remove", "--all"); !good || strings.Contains(out, "removed") || !strings.Contains(out, "left weir-kept-") {
		t.Errorf("weir kernel remove --all of a running weir's table: %v, %s", good, out)
	}
	if out, good := weir.weirCommand(w.Dir, "kernel", "remove", "--all", "--force"); !good || !strings.Contains(out, "removed weir-kept-") {
		t.Errorf("weir kernel remove --all --force: %v, %s", good, out)
	}
	within(t, 5*time.Second, "the running weir to put its table back", func() bool {
		out, _ := weir.weirCommand(w.Dir, "kernel", "list")
		return strings.Contains(out, "weir-kept-")
	})
	other.stop()
	if out, good := weir.weirCommand(w.Dir, "kernel", "remove", "--all"); !good {
		t.Errorf("weir kernel remove --all: %s", out)
	}
	if out, _ := weir.weirCommand(w.Dir, "kernel", "list"); !strings.Contains(out, "no tables are kept") {
		t.Errorf("at the end: %s", out)
	}
	if got := client.get("http://10.1.0.1/"); strings.HasPrefix(got, "200") {
		t.Errorf("what was removed takes traffic: %q", got)
	}
	weir.isClean(t)
}

func weirBinary(t *testing.T) string {
	t.Helper()
	binary, err := peers.WeirBinary()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}
