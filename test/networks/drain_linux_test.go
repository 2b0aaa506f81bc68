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
