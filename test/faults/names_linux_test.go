package faults

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// nameServer answers for one name what the test wants it to.
type nameServer struct {
	mu     sync.Mutex
	answer func(query *dns.Msg) *dns.Msg // nil from it: silence
	asked  int
}

func startNameServer(t *testing.T, address string) *nameServer {
	t.Helper()
	s := &nameServer{}
	packets, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range []*dns.Server{{PacketConn: packets, Handler: s}, {Listener: listener, Handler: s}} {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		go server.ActivateAndServe()
		<-started
		t.Cleanup(func() { server.Shutdown() })
	}
	return s
}

func (s *nameServer) ServeDNS(w dns.ResponseWriter, query *dns.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	reply := s.answer(query)
	if reply == nil {
		return
	}
	if w.LocalAddr().Network() == "udp" {
		reply.Truncate(1232)
	}
	w.WriteMsg(reply)
}

func (s *nameServer) now(answer func(query *dns.Msg) *dns.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// addresses answers with A records of a second's life.
func addresses(ips ...string) func(query *dns.Msg) *dns.Msg {
	return func(query *dns.Msg) *dns.Msg {
		reply := new(dns.Msg).SetReply(query)
		for _, ip := range ips {
			if query.Question[0].Qtype == dns.TypeA {
				rr, _ := dns.NewRR("web.weir-test.example. 1 A " + ip)
				reply.Answer = append(reply.Answer, rr)
			}
		}
		return reply
	}
}

// TestNamesThatChangeFailLoopOrAreHuge has the name server do its worst, one thing after the other, under load.
func TestNamesThatChangeFailLoopOrAreHuge(t *testing.T) {
	const nameServerAt = "127.0.7.53:53"
	names := startNameServer(t, nameServerAt)
	hosts, port := manyHosts(t, 300)
	names.now(addresses(hosts[:2]...))

	resolv := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(resolv, []byte("nameserver 127.0.7.53\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	// A mount namespace of weir's own, in which this file is the system's.
	namespace := []string{"unshare", "-m", "sh", "-c", `mount --bind "$1" /etc/resolv.conf && shift && exec "$@"`, "sh", resolv}
	s := startUnder(t, fmt.Sprintf(`
listeners: { front: "FRONT" }
pools: { web: { servers: ["web.weir-test.example:%s"] } }
sites: { "*": web }
admin: "ADMIN"
logs: { access: off }
`, port), namespace)
	within(t, 5*time.Second, "the name to be found", func() bool { return len(s.status().Pools[0].Servers) == 2 })
	good := run(16, 2*time.Millisecond, keepAlive(t, s.address["FRONT"], "/"))
	others := run(2, 5*time.Millisecond, newConnections(s.address["FRONT"], "/"))

	for i := range 4 { // other servers each second
		names.now(addresses(hosts[i+1 : i+3]...))
		time.Sleep(time.Second)
	}
	within(t, 5*time.Second, "the last answer to be used", func() bool { return len(s.status().Pools[0].Servers) == 2 })
	for what, answer := range map[string]func(query *dns.Msg) *dns.Msg{
		"failure": func(query *dns.Msg) *dns.Msg { return new(dns.Msg).SetRcode(query, dns.RcodeServerFailure) },
		"no name": func(query *dns.Msg) *dns.Msg { return new(dns.Msg).SetRcode(query, dns.RcodeNameError) },
		"silence": func(query *dns.Msg) *dns.Msg { return nil },
		"a loop":  loop,
		"nothing": addresses(),
	} {
		names.now(answer)
		time.Sleep(2 * time.Second)
		if n := len(s.status().Pools[0].Servers); n != 2 {
			t.Errorf("%s: %d servers, want the two of before", what, n)
		}
	}
	names.mu.Lock()
	if names.asked > 1000 {
		t.Errorf("asked %d times", names.asked)
	}
	names.mu.Unlock()
	names.now(addresses(hosts...))
	within(t, 10*time.Second, "the huge answer to be used", func() bool { return len(s.status().Pools[0].Servers) > 2 })
	time.Sleep(2 * time.Second)
	if n := len(s.status().Pools[0].Servers); n != 256 {
		t.Errorf("%d servers of 300 addresses, want 256", n)
	}
	names.now(addresses(hosts[:3]...))
	within(t, 10*time.Second, "three servers again", func() bool { return len(s.status().Pools[0].Servers) == 3 })
	t.Logf("%d requests", good.end(t)+others.end(t))
}

// loop answers that a name is another's other name.
func loop(query *dns.Msg) *dns.Msg {
	reply := new(dns.Msg).SetReply(query)
	a, _ := dns.NewRR("web.weir-test.example. 1 CNAME other.weir-test.example.")
	b, _ := dns.NewRR("other.weir-test.example. 1 CNAME web.weir-test.example.")
	reply.Answer = []dns.RR{a, b}
	return reply
}

// manyHosts is a web server on one port of many loopback addresses.
func manyHosts(t *testing.T, n int) (hosts []string, port string) {
	t.Helper()
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })}
	t.Cleanup(func() { s.Close() })
	port = "0"
	for i := range n {
		host := fmt.Sprintf("127.0.%d.%d", 8+i/250, 1+i%250)
		l, err := net.Listen("tcp", net.JoinHostPort(host, port))
		if err != nil {
			t.Fatal(err)
		}
		port = l.Addr().String()[strings.LastIndexByte(l.Addr().String(), ':')+1:]
		hosts = append(hosts, host)
		go s.Serve(l)
	}
	return hosts, port
}
