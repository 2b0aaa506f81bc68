package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// inKernel are the keys that have an effect where the kernel carries the connections, by object; of those in only one mode, in that.
var inKernel = map[string]string{
	"Listener": "address protocol pool allow deny",
	"Pool":     "servers srv balance health on_down minimum mode on_stop nat:snat direct:interface",
	"Server":   "address weight backup priority drain",
}

// A key that is written either has an effect with mode: nat and direct, or is warned of or refused: nobody believes in a limit that nothing holds.
func TestEveryKeyHasAnEffectInTheKernelOrIsReported(t *testing.T) {
	t.Setenv("SECRET", "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0")
	for _, mode := range []string{"nat", "direct"} {
		for _, protocol := range []string{"tcp", "udp"} {
			for _, o := range Describe() {
				has, is := inKernel[o.Name]
				if !is {
					continue
				}
				for _, k := range o.Keys {
					words := strings.Fields(has)
					if slices.Contains(words, k.Name) || slices.Contains(words, mode+":"+k.Name) || k.Example == "" {
						continue
					}
					if k.Name == "udp" && protocol == "tcp" {
						continue // refused anyway
					}
					written := map[string]string{o.Name: fmt.Sprintf(", %s: %s", k.Name, variable.ReplaceAllString(k.Example, "${SECRET}"))}
					device := ", interface: eth0"
					if mode == "nat" || k.Name == "interface" {
						device = ""
					}
					text := fmt.Sprintf("listeners: { l: { address: \"192.0.2.1:80\", protocol: %s, pool: p%s } }\npools: { p: { servers: [{ address: \"192.0.2.2:80\"%s }], mode: %s%s%s } }\nadmin: off\n",
						protocol, written["Listener"], written["Server"], mode, device, written["Pool"])
					path := map[string]string{"Listener": "listeners.l.", "Pool": "pools.p.", "Server": "pools.p.servers[0]."}[o.Name] + k.Name
					_, problems := Parse("w.yaml", []byte(text))
					if !slices.ContainsFunc(problems, func(p Problem) bool { return strings.HasPrefix(p.Path, path) }) {
						t.Errorf("%s.%s with mode: %s of a %s listener is neither known to have an effect nor reported: %v", o.Name, k.Name, mode, protocol, problems)
					}
				}
			}
		}
	}
}

func TestBalanceThatTheKernelCannotDoIsReported(t *testing.T) {
	for _, c := range []struct {
		mode, balance string
		reported      bool
	}{
		{"nat", "random", false}, {"nat", "{ hash: { on: client_ip } }", false}, {"nat", "maglev", false}, {"nat", "{ hash: { load: 2 } }", true}, {"nat", "round_robin", true},
		{"nat", "least_requests", true}, {"nat", "least_latency", true}, {"nat", "first", true}, {"nat", "prequal", true}, {"direct", "random", true}, {"direct", "hash", false},
	} {
		_, problems := Parse("w.yaml", []byte("listeners: { l: { address: \"192.0.2.1:80\", protocol: tcp, pool: p } }\npools: { p: { servers: [\"192.0.2.2:80\"], interface: eth0, mode: "+c.mode+", balance: "+c.balance+" } }\nadmin: off\n"))
		got := slices.ContainsFunc(problems, func(p Problem) bool { return strings.HasPrefix(p.Path, "pools.p.balance") })
		if got != c.reported || len(problems.Errors()) > 0 {
			t.Errorf("mode: %s, balance: %s: %v", c.mode, c.balance, problems)
		}
	}
}
