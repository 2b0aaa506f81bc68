package layer4

import (
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/weir-proxy/weir/test/peers"
)

// nameServer starts a real one, with a record whose answer is too long for UDP.
func nameServer(t *testing.T, address string) string {
	t.Helper()
	host, port, _ := net.SplitHostPort(address)
	long := strings.Repeat("x", 200)
	args := []string{"-k", "-C", "/dev/null", "-p", port, "-a", host, "--bind-interfaces", "-R", "-h", "--pid-file=", "--user=root", "--cache-size=0", "--local=/example/",
		"--host-record=a.example,192.0.2.9"}
	for i := range 10 {
		args = append(args, fmt.Sprintf("--txt-record=long.example,%d%s", i, long))
	}
	path, err := peers.Find("dnsmasq")
	if err != nil {
		t.Fatal(err)
	}
	p, err := peers.Start("dnsmasq", t.TempDir(), exec.Command(path, args...), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop() })
	return address
}

func TestNamesOverUDPAndTCP(t *testing.T) {
	front, dir := free(t), t.TempDir()
	one, two := nameServer(t, free(t)), nameServer(t, free(t))
	s := start(t, dir, fmt.Sprintf(`
listeners:
  names: { address: %q, protocol: udp, pool: names, udp: { replies: 1 } }
  long: { address: %[1]q, protocol: tcp, pool: names }
pools:
  names:
    servers: [%q, %q]
    balance: round_robin
    # A question for a.example: what comes back has the answer's four bytes.
    health: { type: udp, script: [{ send: "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x07example\x00\x00\x01\x00\x01" }, { expect: "\x12\x34" }], rise: 1 }
admin: "ADMIN"
logs: { access: { file: DIR/access.log, format: json } }
`, front, one, two), front)
	eventually(t, "both are up", func() bool {
		p := s.status().Pools[0]
		return p.Servers[0].Health == "up" && p.Servers[1].Health == "up"
	})
	udp, tcp := &dns.Client{Timeout: 2 * time.Second}, &dns.Client{Net: "tcp", Timeout: 2 * time.Second}
	for i := range 200 {
		question := new(dns.Msg).SetQuestion("a.example.", dns.TypeA)
		for _, client := range []*dns.Client{udp, tcp} {
			answer, _, err := client.Exchange(question, front)
			if err != nil {
				t.Fatalf("question %d over %q: %v", i, client.Net, err)
			}
			if len(answer.Answer) != 1 || !strings.HasSuffix(answer.Answer[0].String(), "192.0.2.9") {
				t.Fatalf("%v", answer)
			}
		}
	}
	question := new(dns.Msg).SetQuestion("long.example.", dns.TypeTXT)
	short, _, err := udp.Exchange(question, front)
	if err != nil || !short.Truncated {
		t.Errorf("over UDP: %v %v", short, err)
	}
	whole, _, err := tcp.Exchange(question, front)
	if err != nil || len(whole.Answer) != 10 {
		t.Errorf("over TCP: %v %v", whole, err)
	}
	eventually(t, "every flow has ended with its reply", func() bool {
		f := s.status().Flows
		return f.Open == 0 && f.Reasons["none.finish.done"] == 201
	})
	for _, server := range s.status().Pools[0].Servers {
		if server.Requests < 150 {
			t.Errorf("%s had %d of 402", server.Name, server.Requests)
		}
	}
}
