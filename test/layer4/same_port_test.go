package layer4

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// A server without a port is reached by the port that the client asks for, over TCP and UDP, also by what a new binary and a reload take over.
func TestAServerWithoutAPortIsReachedByTheClientsPort(t *testing.T) {
	var fronts, quoted []string
	for range 3 {
		front := free(t)
		_, port, _ := net.SplitHostPort(front)
		saysItsPort(t, net.JoinHostPort("127.0.0.2", port))
		fronts, quoted = append(fronts, front), append(quoted, fmt.Sprintf("%q", front))
	}
	list := strings.Join(quoted, ", ")
	s := start(t, t.TempDir(), fmt.Sprintf(`
listeners:
  connections: { address: [%s], protocol: tcp, pool: one }
  datagrams: { address: [%[1]s], protocol: udp, pool: one }
pools: { one: { servers: [127.0.0.2] } }
admin: "ADMIN"
logs: { access: off }
`, list), fronts...)
	ask := func(network, front string) string {
		c, err := net.Dial(network, front)
		if err != nil {
			return err.Error()
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(5 * time.Second))
		fmt.Fprintln(c, "which")
		line, _ := bufio.NewReader(c).ReadString('\n')
		return strings.TrimSpace(line)
	}
	old, err := net.Dial("udp", fronts[0])
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	for _, when := range []string{"at first", "after a reload", "after a replacement"} {
		switch when {
		case "after a reload":
			s.reload()
		case "after a replacement":
			s.replace()
		}
		for _, front := range fronts {
			_, port, _ := net.SplitHostPort(front)
			for _, network := range []string{"tcp", "udp"} {
				if got := ask(network, front); got != port {
					t.Errorf("%s, %s to %s: %q", when, network, front, got)
				}
			}
		}
		old.SetDeadline(time.Now().Add(5 * time.Second))
		fmt.Fprintln(old, "which")
		b := make([]byte, 100)
		n, _ := old.Read(b)
		if _, port, _ := net.SplitHostPort(fronts[0]); strings.TrimSpace(string(b[:n])) != port {
			t.Errorf("%s: the flow that goes on has %q", when, b[:n])
		}
	}
	if name := s.status().Pools[0].Servers[0].Name; name != "127.0.0.2" {
		t.Errorf("the server is called %q", name)
	}
}

// saysItsPort answers each line and each datagram with its own port.
func saysItsPort(t *testing.T, address string) {
	t.Helper()
	_, port, _ := net.SplitHostPort(address)
	ln, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				bufio.NewReader(c).ReadString('\n')
				fmt.Fprintln(c, port)
			}()
		}
	}()
	packets, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { packets.Close() })
	go func() {
		b := make([]byte, 100)
		for {
			_, from, err := packets.ReadFrom(b)
			if err != nil {
				return
			}
			packets.WriteTo([]byte(port+"\n"), from)
		}
	}()
}
