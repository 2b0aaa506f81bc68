package networks

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/weir-proxy/weir/test/peers"
)

// finding is a line of `weir doctor --json`.
type finding struct{ Check, Verdict, Says, Repair string }

// doctor runs weir doctor on the host.
func (h *host) doctor(config string, asNobody bool) (list []finding, good bool) {
	h.t.Helper()
	binary, err := peers.WeirBinary()
	if err != nil {
		h.t.Fatal(err)
	}
	var out strings.Builder
	h.do(func() error {
		c := exec.Command(binary, "doctor", "--json", "-c", "-")
		if asNobody {
			c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		c.Stdin, c.Stdout, c.Stderr = strings.NewReader(config), &out, os.Stderr
		good = c.Run() == nil
		return nil
	})
	if err := json.Unmarshal([]byte(out.String()), &list); err != nil {
		h.t.Fatalf("%v: %s", err, out.String())
	}
	return list, good
}

const shown = `
listeners: { front: { address: ":80" } }
pools: { web: { servers: ["10.2.0.2:80"], source: client } }
sites: { "*": web }
admin: off
`

const rewritten = `
listeners: { web: { address: "10.1.0.1:80", protocol: tcp, pool: web } }
pools: { web: { servers: ["10.2.0.2:80"], mode: nat } }
admin: off
`

const directKept = `
listeners: { web: { address: "10.1.0.1:80", protocol: tcp, pool: web } }
pools: { web: { servers: ["10.2.0.2:80"], mode: direct, interface: outside, on_stop: keep } }
admin: off
`

// Before weir has run for the first time, it has left nothing in the kernel that could be missing.
func TestDoctorMissesNothingBeforeTheFirstStart(t *testing.T) {
	_, weir, server := between(t)
	server.web(":80")
	for _, config := range []string{directKept, strings.Replace(rewritten, "mode: nat", "mode: nat, on_stop: keep", 1)} {
		if list, good := weir.doctor(config, false); !good || find(list, "running weir", "") != nil {
			t.Errorf("%+v", list)
		}
	}
}

// weir check warns of a listener of direct return whose address is on another interface than its pool's, and of no other.
func TestCheckWarnsOfDirectReturnByAnotherInterface(t *testing.T) {
	_, weir, _ := between(t)
	for address, warns := range map[string]bool{"10.1.0.1": true, "10.2.0.1": false} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "weir.yaml"), []byte(strings.Replace(directKept, "10.1.0.1", address, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		out, good := weir.weirCommand(dir, "check", "-c", "weir.yaml")
		if !good || strings.Contains(out, address+" is not an address of outside") != warns {
			t.Errorf("%s: %v, %s", address, good, out)
		}
	}
}

// Each wrong network is found, and the repair that is printed mends it.
func TestDoctorFindsWhatIsWrongAndItsRepairMendsIt(t *testing.T) {
	for _, c := range []struct {
		name   string
		config string
		spoil  func(client, weir, server *host)
		check  string
		says   string // what it begins or ends with is free
		repair string
		on     string // the host to repair; "" if a command does not do it
		warns  bool
	}{
		{"the server's gateway is not weir", shown, func(client, weir, server *host) { server.command("ip route del default") },
			"return path", "its replies to client 192.0.2.1 do not come back through weir", "ip route replace default via 10.2.0.1", "server", false},
		{"the server's gateway is not weir, and the kernel rewrites destinations", rewritten, func(client, weir, server *host) { server.command("ip route del default") },
			"return path", "its replies to client 192.0.2.1 do not come back through weir", "ip route replace default via 10.2.0.1", "server", false},
		{"nothing is forwarded, and the kernel rewrites destinations", rewritten, func(client, weir, server *host) { weir.sysctl("ipv4/ip_forward", "0") },
			"forwarding", "the kernel carries nothing to the servers", "sysctl -w net.ipv4.ip_forward=1", "weir", false},
		{"nothing is forwarded", capturing, func(client, weir, server *host) { weir.sysctl("ipv4/ip_forward", "0") },
			"forwarding", "IPv4 packets are not forwarded", "sysctl -w net.ipv4.ip_forward=1", "weir", false},
		{"a strict filter", shown, func(client, weir, server *host) { weir.sysctl("ipv4/conf/outside/rp_filter", "1") },
			"rp_filter", "outside is strict", "sysctl -w net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.outside.rp_filter=2", "weir", true},
		{"packets that do not fit", shown, func(client, weir, server *host) { weir.command("ip link set outside mtu 1400") },
			"mtu", "inside: 1500, outside: 1400", "ip link set inside mtu 1400", "weir", true},
		{"an address of somebody else", strings.ReplaceAll(shown, "client", "[10.2.0.77]"), func(client, weir, server *host) {},
			"ports", "source 10.2.0.77 is no address of this machine", "ip address add 10.2.0.77/32 dev inside", "weir", false},
		{"direct return of another interface's address", directKept, func(client, weir, server *host) {},
			"direct return", "the listener's address 10.1.0.1 is not on outside (it is an address of inside)", "ip address add 10.1.0.1/32 dev outside", "weir", true},
		{"one network for all", shown, func(client, weir, server *host) { weir.command("ip link set inside down") },
			"shared subnet", "clients in 10.2.0.0/24, the network of server 10.2.0.2:80 on outside, get its answers past weir", "put servers and clients into different networks", "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, weir, server := between(t)
			server.web(":80")
			config := strings.NewReplacer("MODE", "tproxy", "SOURCE", "client", "DIR", t.TempDir()).Replace(c.config)
			if c.check != "ports" {
				if list, good := weir.doctor(config, false); !good || find(list, "kernel", "it has all parts") == nil {
					t.Fatalf("it finds something wrong in a network that is not: %+v", list)
				}
			}
			c.spoil(client, weir, server)
			list, good := weir.doctor(config, false)
			found := find(list, c.check, c.says)
			if found == nil {
				t.Fatalf("not found: %+v", list)
			}
			if good != c.warns || (found.Verdict == "warning") != c.warns || !strings.Contains(found.Repair, c.repair) {
				t.Errorf("exit status %v, %+v", good, found)
			}
			if c.on == "" {
				return
			}
			map[string]*host{"weir": weir, "server": server}[c.on].command(strings.SplitN(c.repair, ", or", 2)[0])
			if list, good := weir.doctor(config, false); !good || find(list, c.check, c.says) != nil {
				t.Errorf("the repair does not mend it: %+v", list)
			}
			weir.isClean(t)
		})
	}
}

// A family that no service and no server has need not be forwarded, and direct return needs no forwarding at all.
func TestDoctorAsksForForwardingOfTheFamiliesThatAreUsed(t *testing.T) {
	_, weir, server := between(t)
	server.web(":80")
	weir.sysctl("ipv6/conf/all/forwarding", "0")
	if list, good := weir.doctor(rewritten, false); !good || find(list, "forwarding", "IPv6") != nil {
		t.Errorf("IPv4 alone: %v, %+v", good, list)
	}
	everywhere := strings.Replace(rewritten, "10.1.0.1:80", ":80", 1)
	if list, good := weir.doctor(everywhere, false); !good || find(list, "forwarding", "IPv6") != nil {
		t.Errorf("all addresses, servers of IPv4: %v, %+v", good, list)
	}
	if list, good := weir.doctor(shown, false); !good || find(list, "forwarding", "IPv6") != nil {
		t.Errorf("servers of IPv4 that see their clients: %v, %+v", good, list)
	}
	both := strings.Replace(everywhere, `["10.2.0.2:80"]`, `["10.2.0.2:80", "[fd02::2]:80"]`, 1)
	if list, good := weir.doctor(both, false); good || find(list, "forwarding", "IPv6 packets are not forwarded") == nil {
		t.Errorf("both families: %v, %+v", good, list)
	}
	for where, captures := range map[string]bool{"from: [10.0.0.0/8]": false, "to: [10.0.0.0/8], from: [10.0.0.0/8, \"fd00::/8\"]": false, "to: [\"::/0\", 0.0.0.0/0]": true, "to: [\"fd00::/8\"]": true} {
		config := `
listeners: { in: { address: ":3129", capture: { mode: tproxy, install: on, ports: [80], ` + where + ` } } }
pools: { web: { servers: ["10.2.0.2:80"] } }
sites: { "*": web }
admin: off
`
		if list, _ := weir.doctor(config, false); captures != (find(list, "forwarding", "IPv6 packets are not forwarded") != nil) {
			t.Errorf("captures %s: %+v", where, list)
		}
	}
	weir.sysctl("ipv4/ip_forward", "0")
	direct := strings.Replace(rewritten, "mode: nat", "mode: direct, interface: outside", 1)
	if list, _ := weir.doctor(direct, false); find(list, "forwarding", "not forwarded") != nil {
		t.Errorf("direct return: %+v", list)
	}
}

func TestDoctorMissesPowers(t *testing.T) {
	_, weir, server := between(t)
	server.web(":80")
	list, good := weir.doctor(shown, true)
	if f := find(list, "privileges", "CAP_NET_ADMIN is missing"); good || f == nil || f.Verdict != "failure" || !strings.Contains(f.Repair, "cap_net_admin") {
		t.Errorf("%v, %+v", good, list)
	}
}

func find(list []finding, check, says string) *finding {
	for i := range list {
		if list[i].Check == check && strings.Contains(list[i].Says, says) {
			return &list[i]
		}
	}
	return nil
}

// command runs a command of iproute2 or sysctl on the host, as an operator types it.
func (h *host) command(text string) {
	h.t.Helper()
	h.do(func() error {
		out, err := exec.Command("sh", "-c", text).CombinedOutput()
		if err != nil {
			h.t.Errorf("%s: %s", text, out)
		}
		return err
	})
}
