package layer4

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/weir-proxy/weir/test/peers"
	"github.com/weir-proxy/weir/wire/proxyproto"
)

// resolver starts a real Unbound that asks for the PROXY protocol, answers a.example, and refuses clients of 192.0.2.0/24.
func resolver(t *testing.T, address string) string {
	t.Helper()
	host, port, _ := net.SplitHostPort(address)
	dir := t.TempDir()
	file := filepath.Join(dir, "unbound.conf")
	config := fmt.Sprintf(`server:
  directory: "%s"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  do-daemonize: no
  interface: %s@%s
  proxy-protocol-port: %[3]s
  access-control: 127.0.0.0/8 allow
  access-control: 198.51.100.0/24 allow
  access-control: 192.0.2.0/24 refuse
  local-zone: "example." static
  local-data: "a.example. A 192.0.2.9"
remote-control:
  control-enable: no
`, dir, host, port)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	path, err := peers.Find("unbound")
	if err != nil {
		t.Fatal(err)
	}
	p, err := peers.Start("unbound", dir, exec.Command(path, "-d", "-p", "-c", file), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop() })
	return address
}

// queries sends a question for a.example from an own address, behind a header that names another client if it is not "", and returns the answer's code; -1: there was none.
func queries(t *testing.T, from, told, to string) int {
	t.Helper()
	c, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(from+":0")), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(to)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	question, err := new(dns.Msg).SetQuestion("a.example.", dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	if told != "" {
		h := proxyproto.Header{Source: netip.MustParseAddrPort(told), Destination: netip.MustParseAddrPort("198.51.100.53:53"), IsDatagram: true}
		question = append(proxyproto.AppendV2(nil, &h), question...)
	}
	c.Write(question)
	c.SetReadDeadline(time.Now().Add(2 * time.Second))
	b := make([]byte, 4096)
	n, err := c.Read(b)
	if err != nil {
		return -1
	}
	var answer dns.Msg
	if err := answer.Unpack(b[:n]); err != nil {
		t.Fatal(err)
	}
	return answer.Rcode
}

// A real server learns by the PROXY protocol who asks, also of a client of which weir has learnt by it, and across a replacement of weir's binary.
func TestAResolverLearnsWhoAsksOverUDP(t *testing.T) {
	front, dir := free(t), t.TempDir()
	s := start(t, dir, fmt.Sprintf(`
listeners: { names: { address: %q, protocol: udp, pool: names, proxy_protocol: { from: 127.0.0.7 } } }
pools:
  names:
    servers: [%q]
    proxy_protocol: v2
    health: { type: udp, script: [{ send: "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x07example\x00\x00\x01\x00\x01" }, { expect: "\x12\x34" }], rise: 1 }
admin: "ADMIN"
logs: { access: { file: DIR/access.log, format: json } }
`, front, resolver(t, free(t))))
	eventually(t, "the resolver is up", func() bool { return s.status().Pools[0].Servers[0].Health == "up" })
	for _, when := range []string{"at first", "after the replacement"} {
		for _, c := range []struct {
			from, told string
			want       int
		}{
			{"127.0.0.2", "", dns.RcodeSuccess},
			{"127.0.0.7", "198.51.100.1:4000", dns.RcodeSuccess},
			{"127.0.0.7", "192.0.2.1:4000", dns.RcodeRefused},
			{"127.0.0.7", "", -1},
		} {
			if got := queries(t, c.from, c.told, front); got != c.want {
				t.Errorf("%s, from %s for %q: %d, want %d", when, c.from, c.told, got, c.want)
			}
		}
		if when == "at first" {
			s.replace()
		}
	}
}

// Datagrams of a proxy without a right header are counted each, and logged now and then.
func TestMalformedDatagramsAreLogged(t *testing.T) {
	packets, server := free(t), seenFrom(t)
	s := start(t, t.TempDir(), fmt.Sprintf(`
listeners: { packets: { address: %q, protocol: udp, pool: packets, proxy_protocol: [127.0.0.0/8] } }
pools: { packets: { servers: [%q] } }
admin: "ADMIN"
logs: { access: { file: DIR/access.log, format: "{client} {received} {reason} {detail}" } }
`, packets, server))
	c, err := net.Dial("udp", packets)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const sent = 200
	began := time.Now()
	for range sent {
		c.Write([]byte("no header"))
		time.Sleep(time.Millisecond)
	}
	eventually(t, "all are counted", func() bool { return s.status().Flows.Reasons["client.read.proxy_malformed"] == sent })
	lines := 0
	eventually(t, "a line", func() bool {
		text, _ := os.ReadFile(filepath.Join(s.dir, "access.log"))
		lines = strings.Count(string(text), "127.0.0.1 9 client.read.proxy_malformed ")
		return lines > 0
	})
	if most := 1 + int(time.Since(began)/time.Second); lines > most { // one sender is with one loop
		t.Errorf("%d lines, expected at most %d", lines, most)
	}
}
