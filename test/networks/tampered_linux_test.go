package networks

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

// weirCommand runs weir with arguments beside a running one, in its directory.
func (h *host) weirCommand(dir string, args ...string) (out string, good bool) {
	h.t.Helper()
	binary, err := peers.WeirBinary()
	if err != nil {
		h.t.Fatal(err)
	}
	h.do(func() error {
		c := exec.Command(binary, args...)
		c.Dir = dir
		text, err := c.CombinedOutput()
		out, good = string(text), err == nil
		return nil
	})
	return out, good
}

// examine runs weir doctor for the file that a weir runs with.
func (h *host) examine(w *process) (list []finding, good bool) {
	h.t.Helper()
	out, good := h.weirCommand(w.Dir, "doctor", "--json", "-c", "weir.yaml")
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		h.t.Fatalf("%v: %s", err, out)
	}
	return list, good
}

const shownAndRouted = `
listeners: { front: { address: ":80" } }
pools: { web: { servers: ["10.2.0.2:8080"], source: client } }
sites: { "*": web }
network: on
admin: off
logs: { access: off }
`

const keptDirect = `
listeners: { web: { address: "10.2.0.1:8080", protocol: tcp, pool: web } }
pools: { web: { servers: ["10.2.0.2:8080", "10.2.0.3:8080"], mode: direct, interface: outside, on_stop: keep } }
admin: off
`

// What another program removes of rules, routes and tables is found by weir doctor, put back by the running weir, and logged.
func TestWhatOthersRemoveFromTheKernelIsFoundAndRestored(t *testing.T) {
	keptNAT := strings.ReplaceAll(natted, "mode: nat", "mode: nat, on_stop: keep")
	keptNAT = strings.ReplaceAll(keptNAT, "OPTIONS", "")
	for _, c := range []struct {
		name, config, spoil, says string
		url                       string // asked afterwards; "": the table has to be there again
		warns                     bool
	}{
		{"an ip rule", shownAndRouted, "ip rule del priority 7765", "removed rules or routes", "http://10.1.0.1/", false},
		{"an ip rule of IPv6", shownAndRouted, "ip -6 rule del priority 7765", "removed rules or routes", "http://10.1.0.1/", false},
		{"a policy route", shownAndRouted, "ip route flush table 7765", "removed rules or routes", "http://10.1.0.1/", false},
		{"a policy route of IPv6", shownAndRouted, "ip -6 route flush table 7765", "removed rules or routes", "http://10.1.0.1/", false},
		{"a table", keptNAT, "nft delete table inet TABLE", "removed from the kernel: table weir-kept-", "http://10.1.0.1/", false},
		{"everything", keptNAT, "nft flush ruleset", "removed from the kernel: table weir-kept-", "http://10.1.0.1/", false},
		{"a chain", keptNAT, "nft flush chain inet TABLE count; nft delete chain inet TABLE count", "removed from the kernel: chain count", "http://10.1.0.1/", false},
		{"rules of a chain", keptNAT, "nft flush chain inet TABLE in", "removed from the kernel: rules of chain in", "http://10.1.0.1/", false},
		{"a service", keptNAT, "nft flush map inet TABLE services4", "removed from the kernel: tcp 10.1.0.1:80 in table", "http://10.1.0.1/", false},
		{"the table of direct return", keptDirect, "nft delete table netdev TABLE", "removed from the kernel: table weir-kept-", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, weir, _ := farm(t)
			w := weir.weir(c.config)
			table := ""
			if strings.Contains(c.spoil, "TABLE") {
				out, _ := weir.weirCommand(w.Dir, "kernel", "list")
				table, _, _ = strings.Cut(out, " ")
			}
			fine := func() bool {
				list, _ := weir.examine(w)
				return find(list, "running weir", "has in the kernel all") != nil
			}
			within(t, 10*time.Second, "everything to be in the kernel", fine)
			w.Process.Signal(syscall.SIGSTOP) // so that it does not put back what is to be found
			weir.command(strings.ReplaceAll(c.spoil, "TABLE", table))
			list, good := weir.examine(w)
			w.Process.Signal(syscall.SIGCONT)
			if f := find(list, "running weir", c.says); f == nil || (f.Verdict == "warning") != c.warns || good != c.warns || !strings.Contains(f.Repair, "weir reload") {
				t.Errorf("weir doctor: %v, %+v", good, list)
			}
			within(t, 10*time.Second, "weir to say that it was restored", func() bool { return strings.Contains(w.out.String(), "somebody else has") })
			within(t, 5*time.Second, "weir doctor to find nothing", fine)
			if c.url != "" {
				if got := client.get(c.url); !strings.HasPrefix(got, "200") {
					t.Errorf("afterwards: %q", got)
				}
			}
			// A reload does not wait for the next look.
			before := strings.Count(w.out.String(), "somebody else has")
			weir.command(strings.ReplaceAll(c.spoil, "TABLE", table))
			w.reload(t, c.config)
			if strings.Count(w.out.String(), "somebody else has") == before || !fine() {
				t.Error("a reload does not restore it, or does not say so")
			}
		})
	}
}

// What weir check refuses of interfaces, weir run refuses, and a reload, in the same words; and the reverse.
func TestRunAndReloadRefuseTheInterfacesThatCheckRefuses(t *testing.T) {
	_, weir, _ := farm(t)
	good := strings.ReplaceAll(keptDirect, ", on_stop: keep", "")
	w := weir.weir(good)
	for i, c := range []struct{ from, to, says string }{
		{"interface: outside", "interface: nosuch", `this machine has no interface "nosuch"`},
		{"interface: outside", "interface: lo", "interface lo has no Ethernet address"},
		{"pools: {", `pools: { unused: { servers: ["10.2.0.9:8080"], mode: direct, interface: nosuch }, `, `this machine has no interface "nosuch"`},
	} {
		bad := strings.ReplaceAll(good, c.from, c.to)
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "weir.yaml"), []byte(bad), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, command := range []string{"check", "run"} {
			if out, good := weir.weirCommand(dir, command, "-c", "weir.yaml"); good || !strings.Contains(out, c.says) {
				t.Errorf("%s: weir %s: %v, %s", c.to, command, good, out)
			}
		}
		before := strings.Count(w.out.String(), c.says)
		if err := os.WriteFile(filepath.Join(w.Dir, "weir.yaml"), []byte(bad), 0o644); err != nil {
			t.Fatal(err)
		}
		w.Process.Signal(syscall.SIGHUP)
		within(t, 5*time.Second, "the reload to be refused", func() bool {
			return strings.Count(w.out.String(), c.says) > before && strings.Count(w.out.String(), "reload refused") == i+1
		})
	}
	w.stop()
	weir.isClean(t)
}

// Neither a change of on_stop nor one of the mode leaves a moment in which a new connection finds no table.
func TestNoNewConnectionIsRefusedWhileOnStopChanges(t *testing.T) {
	client, weir, _ := farm(t)
	config := strings.ReplaceAll(natted, "OPTIONS", "on_stop: remove,")
	w := weir.weir(config)
	kept, r := client.keepTo(t, "10.1.0.1:80", "server3")
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
	for i := 0; i < 60 || asked.Load() < 1000 && failed.Load() == 0; i++ {
		w.reload(t, strings.ReplaceAll(config, "on_stop: remove", []string{"on_stop: keep", "on_stop: remove"}[i%2]))
	}
	close(stop)
	clients.Wait()
	if failed.Load() > 0 {
		t.Errorf("%d of %d connections failed", failed.Load(), asked.Load())
	}
	if got := ask(t, kept, r); got != "200 server3 was asked by 10.1.0.2" {
		t.Errorf("the established connection: %q", got)
	}
	w.reload(t, config)
	w.stop()
	weir.isClean(t)
}
