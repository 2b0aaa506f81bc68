package netfilter

import (
	"strings"
	"testing"
)

// A kernel that cannot reset connections in tables of direct return drops those that are refused: nobody gets in, and the service is there.
func TestRefusedConnectionsOfDirectReturnAreResetOrDropped(t *testing.T) {
	alone(t)
	command(t, "ip link add lan0 type veth peer name lan1 && ip link set lan0 up")
	services := many(1, 2)
	s := &services[0]
	s.Direct, s.Hide, s.UDP = "lan0", false, false
	s.Access = Access{Allow: prefixes("10.0.0.0/8")}
	for i := range s.Servers {
		s.Servers[i].Hardware = [6]byte{2, 0, 0, 0, 0, byte(i)}
	}
	for known, want := range map[resetting]string{notTried: "reject with tcp reset", lacksReset: "drop"} {
		f := OpenForwarding("", "weir.yaml")
		f.reset = known // notTried: this kernel has the module
		if err := f.Apply(services); err != nil {
			t.Fatal(err)
		}
		rules := command(t, "nft list ruleset")
		_, refusing, found := strings.Cut(rules, "chain "+s.refuseChain()+" {")
		refusing, _, _ = strings.Cut(refusing, "}")
		if !found || !strings.Contains(refusing, "counter") || !strings.Contains(refusing, want) {
			t.Errorf("expected %q in the chain of refused connections:\n%s", want, rules)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
