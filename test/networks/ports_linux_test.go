package networks

import (
	"net"
	"strings"
	"testing"
	"time"
)

const sources = `
listeners: { front: { address: ":7000", protocol: tcp, pool: web } }
pools: { web: { servers: ["10.2.0.2:7000"], source: [10.2.0.1, 10.2.0.11], queue: off, retries: 0 } }
admin: { socket: off, address: 127.0.0.1:9180 }
`

// Own addresses are used in turn; before their ports run out it is said, and then what comes is refused at once.
func TestPortsRunOutWithAWarning(t *testing.T) {
	client, weir, server := between(t)
	weir.up("outside", "10.2.0.11/24")
	weir.sysctl("ipv4/ip_local_port_range", "40000 40049")
	l := server.listen("tcp", ":7000")
	from := map[string]int{}
	accepted := make(chan string, 1000)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
			c.Write([]byte("x"))
			accepted <- host
		}
	}()
	w := weir.weir(sources)
	hold := func(n int) (refused int) {
		for range n {
			began := time.Now()
			c, err := client.dial("tcp", "10.1.0.1:7000")
			if err != nil { // it is reset before it is known to stand
				refused++
				continue
			}
			t.Cleanup(func() { c.Close() })
			c.SetDeadline(time.Now().Add(5 * time.Second))
			if n, _ := c.Read(make([]byte, 1)); n == 0 {
				refused++
				if took := time.Since(began); took > time.Second {
					t.Errorf("refused after %v", took)
				}
			} else {
				from[<-accepted]++
			}
		}
		return refused
	}
	const warned = "the ports for connections to a server run out"
	if n := hold(70); n > 0 || from["10.2.0.1"] < 30 || from["10.2.0.11"] < 30 {
		t.Fatalf("%d of 70 refused, from %v", n, from)
	}
	time.Sleep(3 * time.Second)
	if strings.Contains(w.out.String(), warned) {
		t.Error("it warns at 70 of 100")
	}
	if n := hold(15); n > 0 {
		t.Errorf("%d refused of 85 for which there are 100 ports", n)
	}
	within(t, 5*time.Second, "the warning", func() bool { return strings.Contains(w.out.String(), warned) })
	if n := hold(40); n < 25 {
		t.Errorf("%d of 40 more were refused, and there are 100 ports for 125", n)
	}
	status := weir.get("http://127.0.0.1:9180/metrics")
	if ports, out := metric(status, "weir_server_ports{"), metric(status, "weir_server_ports_exhausted_total{"); ports != 100 || out == 0 {
		t.Errorf("metrics: %v ports, %v times none", ports, out)
	}
}
