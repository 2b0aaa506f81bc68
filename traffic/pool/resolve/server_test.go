package resolve

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/weir-proxy/weir/traffic/pool"
)

// nameServer is a DNS server on loopback whose zone the test writes and rewrites. It never answers for names that begin with hang, and late for those that begin with
// slow.
type nameServer struct {
	address string

	mu    sync.Mutex
	zone  map[string][]dns.RR // by "name. TYPE"; also answers with the CNAME of a name, if there is one
	fails map[string]bool     // by "name. TYPE" or "name."
	asked map[string]int      // by "name. TYPE"
	lies  bool                // answers with another question
}

const slowAnswer = slowAfter * 3 / 5

func startNameServer(t *testing.T) *nameServer {
	t.Helper()
	s := &nameServer{zone: map[string][]dns.RR{}, fails: map[string]bool{}, asked: map[string]int{}}
	packets, listener := bothOnOnePort(t)
	s.address = packets.LocalAddr().String()
	for _, server := range []*dns.Server{{PacketConn: packets, Handler: s}, {Listener: listener, Handler: s}} {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		go server.ActivateAndServe()
		<-started
		t.Cleanup(func() { server.Shutdown() })
	}
	return s
}

// bothOnOnePort tries ports until one is free for UDP and TCP.
func bothOnOnePort(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 100 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if packets, err := net.ListenPacket("udp", listener.Addr().String()); err == nil {
			return packets, listener
		}
		listener.Close()
	}
	t.Fatal("no port is free for both UDP and TCP")
	return nil, nil
}

func (s *nameServer) ServeDNS(w dns.ResponseWriter, query *dns.Msg) {
	q := query.Question[0]
	if strings.HasPrefix(q.Name, "hang") {
		return
	}
	if strings.HasPrefix(q.Name, "slow") {
		time.Sleep(slowAnswer)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name, rrtype := strings.ToLower(q.Name), dns.TypeToString[q.Qtype]
	s.asked[name+" "+rrtype]++
	reply := new(dns.Msg).SetReply(query)
	switch {
	case s.lies:
		reply.Question[0].Name = "other.test."
	case s.fails[name] || s.fails[name+" "+rrtype]:
		reply.Rcode = dns.RcodeServerFailure
	case s.zone[name+" "+rrtype] != nil:
		reply.Answer = s.zone[name+" "+rrtype]
	case s.zone[name+" CNAME"] != nil:
		reply.Answer = s.zone[name+" CNAME"]
	case !s.exists(name):
		reply.Rcode = dns.RcodeNameError
	}
	if w.LocalAddr().Network() == "udp" {
		reply.Truncate(ednsUDP)
	}
	w.WriteMsg(reply)
}

func (s *nameServer) exists(name string) bool {
	for key := range s.zone {
		if strings.HasPrefix(key, name+" ") {
			return true
		}
	}
	return false
}

// set replaces the records of a name and type by these lines of a zone file; none removes them.
func (s *nameServer) set(key string, lines ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.zone, key)
	for _, line := range lines {
		rr, err := dns.NewRR(line)
		if err != nil {
			panic(err)
		}
		s.zone[key] = append(s.zone[key], rr)
	}
}

func (s *nameServer) fail(key string, fails bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails[key] = fails
}

func (s *nameServer) queries(key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[key]
}

// quick asks the server and is not patient. Hosts and search list are empty.
func quick(t *testing.T, servers ...string) Config {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return Config{Servers: servers, ResolvConf: empty, Hosts: empty, TTLMin: 10 * time.Millisecond, Retry: 5 * time.Millisecond, Timeout: 300 * time.Millisecond}
}

func watching(t *testing.T, c Config, addresses ...string) (*Resolver, *pool.Pool) {
	t.Helper()
	cfg := pool.Config{Name: "web"}
	for _, a := range addresses {
		cfg.Servers = append(cfg.Servers, pool.ServerConfig{Address: a})
	}
	p := pool.New(cfg, nil)
	r := New(c)
	t.Cleanup(r.Close)
	r.Watch([]*pool.Pool{p})
	return r, p
}

func addresses(p *pool.Pool) []string {
	var list []string
	for _, s := range p.Set().Servers {
		list = append(list, s.Address.String())
	}
	return list
}

// await fails unless the pool has exactly these servers within two seconds.
func await(t *testing.T, p *pool.Pool, want ...string) {
	t.Helper()
	eventually(t, func() bool { return slices.Equal(addresses(p), want) }, func() string { return fmt.Sprintf("servers %v, want %v", addresses(p), want) })
}

func eventually(t *testing.T, isSo func() bool, otherwise func() string) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Second); !isSo(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(otherwise())
		}
	}
}

// keeps fails if within many TTLs the pool's servers change.
func keeps(t *testing.T, s *nameServer, key string, p *pool.Pool) {
	t.Helper()
	before, asked := p.Set(), s.queries(key)
	eventually(t, func() bool { return s.queries(key) >= asked+3 }, func() string { return "not asked again" })
	if p.Set() != before {
		t.Fatalf("the servers changed to %v", addresses(p))
	}
}

// startSilent is the address of a socket that takes queries and never answers.
func startSilent(t *testing.T) string {
	t.Helper()
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { packets.Close() })
	return packets.LocalAddr().String()
}
