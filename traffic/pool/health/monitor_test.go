package health

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-proxy/weir/traffic/pool"
)

// network is servers by address that take connections or refuse them, in the fake time of a synctest bubble.
type network struct {
	mu       sync.Mutex
	start    time.Time
	refuses  map[string]bool
	attempts map[string][]time.Duration
	changes  []string
}

func newNetwork() *network {
	return &network{start: time.Now(), refuses: map[string]bool{}, attempts: map[string][]time.Duration{}}
}

func (n *network) dial(_ context.Context, _ string, _ netip.Addr, address string) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.attempts[address] = append(n.attempts[address], time.Since(n.start))
	if n.refuses[address] {
		return nil, errors.New("refused")
	}
	near, far := net.Pipe()
	far.Close()
	return near, nil
}

func (n *network) changed(c Change) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.changes = append(n.changes, fmt.Sprintf("%s %v: %v to %v", c.Pool, c.Server.Address, c.From, c.To))
}

func (n *network) refuse(address string, refuses bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refuses[address] = refuses
}

func (n *network) count(address string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.attempts[address])
}

func (n *network) monitor() *Monitor { return New(MonitorConfig{Dial: n.dial, OnChange: n.changed}) }

func web(previous *pool.Pool, addresses ...string) *pool.Pool {
	cfg := pool.Config{Name: "web"}
	for _, a := range addresses {
		cfg.Servers = append(cfg.Servers, pool.ServerConfig{Address: a})
	}
	return pool.New(cfg, previous)
}

const one, two = "10.0.0.1:80", "10.0.0.2:80"

func TestHealthFollowsTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, p := newNetwork(), web(nil, one, two)
		first, second := p.Set().Servers[0], p.Set().Servers[1]
		n.refuse(two, true)
		m := n.monitor()
		defer m.Close()
		if first.Health() != pool.Unknown {
			t.Fatal("not unknown before the first check")
		}
		m.Watch([]Watched{{p, Config{Type: "tcp", Jitter: -1}}})
		expect := func(s *pool.Server, want pool.Health) {
			t.Helper()
			synctest.Wait()
			if s.Health() != want {
				t.Fatalf("after %v: %v is %v, want %v", time.Since(n.start), s.Address, s.Health(), want)
			}
		}
		time.Sleep(100 * time.Millisecond) // the first checks, at 0 and 20 ms
		expect(first, pool.Up)
		expect(second, pool.Down)
		n.refuse(one, true)
		n.refuse(two, false)
		time.Sleep(3 * time.Second) // at 3 s
		expect(first, pool.Up)
		expect(second, pool.Down)
		time.Sleep(3 * time.Second) // at 6 s, two in a row
		expect(first, pool.Up)
		expect(second, pool.Up)
		time.Sleep(3 * time.Second) // at 9 s, three in a row
		expect(first, pool.Down)
		if s, _ := p.Pick(0, 1, 1, nil); s != second {
			t.Errorf("picked %v", s.Address)
		}
		want := []string{"web 10.0.0.1:80: unknown to up", "web 10.0.0.2:80: unknown to down", "web 10.0.0.2:80: down to up", "web 10.0.0.1:80: up to down"}
		if !slices.Equal(n.changes, want) {
			t.Errorf("told %q, want %q", n.changes, want)
		}
	})
}

func TestChecksAreSpreadAndVary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, m := newNetwork(), (*Monitor)(nil)
		var list []string
		for i := range 300 {
			list = append(list, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i / 250), byte(i%250 + 1)}), 80).String())
		}
		m = n.monitor()
		m.Watch([]Watched{{web(nil, list...), Config{Type: "tcp"}}})
		time.Sleep(60 * time.Second)
		m.Close()
		starts := map[time.Duration]int{}
		var shortest, longest time.Duration = time.Hour, 0
		for _, at := range n.attempts {
			starts[at[0]]++
			for i := 1; i < len(at); i++ {
				shortest, longest = min(shortest, at[i]-at[i-1]), max(longest, at[i]-at[i-1])
			}
		}
		if len(starts) != 300 {
			t.Errorf("300 servers were first checked at %d moments", len(starts))
		}
		for at := range starts {
			if at > 3*time.Second {
				t.Errorf("a first check after %v", at)
			}
		}
		if shortest < 2400*time.Millisecond || shortest > 2500*time.Millisecond || longest > 3600*time.Millisecond || longest < 3500*time.Millisecond {
			t.Errorf("checks were %v to %v apart, want 2.4 s to 3.6 s", shortest, longest)
		}
	})
}

func TestAnUnchangedCheckSurvivesAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, before := newNetwork(), web(nil, one, two)
		m := n.monitor()
		defer m.Close()
		config := Config{Type: "tcp", Jitter: -1, TLS: &tls.Config{}}
		m.Watch([]Watched{{before, config}})
		time.Sleep(time.Second)
		n.refuse(one, true)
		time.Sleep(6 * time.Second) // two failures, of three that are needed
		after := web(before, one)
		config.TLS = &tls.Config{}
		m.Watch([]Watched{{after, config}})
		before.Retire(after)
		synctest.Wait()
		if got := n.count(one); got != 3 {
			t.Errorf("%d checks at 7 s, want 3: the reload asked again", got)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if s := after.Set().Servers[0]; s.Health() != pool.Down {
			t.Errorf("after the third failure: %v: the reload reset the row of failures", s.Health())
		}
		if got := n.count(two); got != 3 {
			t.Errorf("the server that left was checked %d times, want 3", got)
		}
	})
}

func TestAChangedCheckStartsAtOnceFromTheOldVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, p := newNetwork(), web(nil, one)
		s := p.Set().Servers[0]
		n.refuse(one, true)
		m := n.monitor()
		defer m.Close()
		m.Watch([]Watched{{p, Config{Type: "tcp", Every: time.Hour}}})
		time.Sleep(time.Second)
		n.refuse(one, false)
		p = web(p, one)
		m.Watch([]Watched{{p, Config{Type: "tcp", Every: time.Second, Jitter: -1}}})
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		if n.count(one) != 2 || s.Health() != pool.Down {
			t.Errorf("%d checks, %v: one success must not bring it up", n.count(one), s.Health())
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if s.Health() != pool.Up {
			t.Errorf("%v after two successes", s.Health())
		}
	})
}

func TestWithoutACheckAServerIsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, p := newNetwork(), web(nil, one)
		n.refuse(one, true)
		m := n.monitor()
		defer m.Close()
		m.Watch([]Watched{{p, Config{Type: "tcp"}}})
		time.Sleep(time.Second)
		synctest.Wait()
		if got := p.Set().Servers[0].Health(); got != pool.Down {
			t.Fatal(got)
		}
		m.Watch(nil)
		if got := p.Set().Servers[0].Health(); got != pool.Unknown {
			t.Errorf("%v after its check was removed", got)
		}
	})
}

func TestServersBehindANameAreFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, p := newNetwork(), web(nil, "app.test:80")
		m := n.monitor()
		defer m.Close()
		m.Watch([]Watched{{p, Config{Type: "tcp"}}})
		m.Watch([]Watched{{p, Config{Type: "tcp"}}})
		set := func(addresses ...string) {
			var records []pool.Record
			for _, a := range addresses {
				records = append(records, pool.Record{Address: netip.MustParseAddrPort(a)})
			}
			p.SetRecords(p.Targets()[0], records)
			time.Sleep(time.Second)
			synctest.Wait()
		}
		set(one)
		set(one, two)
		set(two)
		left := n.count(one)
		time.Sleep(10 * time.Second)
		if left == 0 || n.count(one) != left || n.count(two) < 3 || p.Set().Servers[0].Health() != pool.Up {
			t.Errorf("checks: %v", n.attempts)
		}
	})
}

func TestACheckThatHangsTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, kind := range Types() {
			if kind == "exec" || kind == "http3" {
				continue // real programs and QUIC's sockets know no fake time: TestExec, TestHTTP3
			}
			var hung []net.Conn
			dial := func(ctx context.Context, _ string, _ netip.Addr, _ string) (net.Conn, error) {
				if kind == "tcp" {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				near, far := net.Pipe()
				hung = append(hung, far)
				return near, nil
			}
			var at time.Duration
			start := time.Now()
			m := New(MonitorConfig{Dial: dial, OnChange: func(Change) { at = time.Since(start) }})
			p := web(nil, one)
			m.Watch([]Watched{{p, Config{Type: kind, Script: []Step{{Expect: "never"}}}}})
			time.Sleep(2100 * time.Millisecond)
			synctest.Wait()
			if p.Set().Servers[0].Health() != pool.Down || at != 2*time.Second {
				t.Errorf("%s: %v after %v, want down after 2 s", kind, p.Set().Servers[0].Health(), at)
			}
			m.Close()
			for _, c := range hung {
				c.Close()
			}
		}
	})
}

func TestCloseEndsEveryGoroutineAtOnce(t *testing.T) {
	before := runtime.NumGoroutine()
	listener, err := net.Listen("tcp", "127.0.0.1:0") // accepts by its backlog and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	m := New(MonitorConfig{})
	var pools []Watched
	for range 20 {
		for _, kind := range Types() {
			pools = append(pools, Watched{web(nil, listener.Addr().String()), Config{Type: kind, Timeout: time.Minute,
				Script: []Step{{Expect: "never"}}, Command: []string{"sleep", "100"}}})
		}
	}
	m.Watch(pools)
	time.Sleep(100 * time.Millisecond)
	start := time.Now()
	m.Close()
	if d := time.Since(start); d > time.Second {
		t.Errorf("Close took %v", d)
	}
	for deadline := time.Now().Add(2 * time.Second); runtime.NumGoroutine() > before; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}
