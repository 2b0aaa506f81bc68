package resolve

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-proxy/weir/traffic/pool"
)

func TestEveryAddressIsAServerAndChangesAreFollowed(t *testing.T) {
	s := startNameServer(t)
	s.set("app.test. A", "app.test. 0 A 10.0.0.2", "app.test. 0 A 10.0.0.1")
	s.set("app.test. AAAA", "app.test. 0 AAAA 2001:db8::1")
	_, p := watching(t, quick(t, s.address), "app.test:80")
	await(t, p, "10.0.0.1:80", "10.0.0.2:80", "[2001:db8::1]:80")
	kept := p.Set().Servers[1]
	s.set("app.test. A", "app.test. 0 A 10.0.0.2", "app.test. 0 A 10.0.0.3")
	s.set("app.test. AAAA")
	await(t, p, "10.0.0.2:80", "10.0.0.3:80")
	if p.Set().Servers[0] != kept {
		t.Error("the server whose address stayed is another one")
	}
	s.set("app.test. A", "app.test. 0 A 10.0.0.3", "app.test. 0 A 10.0.0.2")
	keeps(t, s, "app.test. A", p)
}

func TestStartsWithoutResolution(t *testing.T) {
	s := startNameServer(t)
	_, p := watching(t, quick(t, s.address), "late.test:80", "late.test:81")
	eventually(t, func() bool { return s.queries("late.test. A") > 1 }, func() string { return "not asked again" })
	if got, reason := p.Pick(0, 1, 1, nil); got != nil || reason != pool.NotResolved {
		t.Errorf("picked %v: %v", got, reason)
	}
	s.set("late.test. A", "late.test. 60 A 10.0.0.1")
	await(t, p, "10.0.0.1:80", "10.0.0.1:81")
}

func TestTheLastGoodAnswerOutlivesFailures(t *testing.T) {
	s := startNameServer(t)
	s.set("app.test. A", "app.test. 0 A 10.0.0.1")
	_, p := watching(t, quick(t, s.address), "app.test:80")
	await(t, p, "10.0.0.1:80")
	s.fail("app.test.", true) // SERVFAIL
	keeps(t, s, "app.test. A", p)
	s.fail("app.test.", false)
	s.set("app.test. A") // NXDOMAIN
	keeps(t, s, "app.test. A", p)
	s.set("app.test. TXT", `app.test. 0 TXT "here"`) // the name is there, but no address
	keeps(t, s, "app.test. A", p)
	s.mu.Lock()
	s.lies = true
	s.mu.Unlock()
	keeps(t, s, "app.test. A", p)
	s.mu.Lock()
	s.lies = false
	s.mu.Unlock()
	s.set("app.test. A", "app.test. 0 A 10.0.0.9")
	await(t, p, "10.0.0.9:80")
}

// Where DNS says for long enough that a name has no address, its servers are given up: the name was removed, or its servers were.
func TestANameThatIsGoneIsGivenUp(t *testing.T) {
	s := startNameServer(t)
	config := quick(t, s.address)
	config.Gone = 100 * time.Millisecond
	s.set("app.test. A", "app.test. 0 A 10.0.0.1")
	_, p := watching(t, config, "app.test:80")
	await(t, p, "10.0.0.1:80")
	s.set("app.test. A") // NXDOMAIN
	await(t, p)
	s.set("app.test. A", "app.test. 0 A 10.0.0.2")
	await(t, p, "10.0.0.2:80")
	s.set("app.test. A")
	s.set("app.test. TXT", `app.test. 0 TXT "here"`) // the name is there, but no address
	await(t, p)
	s.set("app.test. A", "app.test. 0 A 10.0.0.3")
	await(t, p, "10.0.0.3:80")
	s.fail("app.test.", true) // a name server that fails says nothing about the name
	time.Sleep(2 * config.Gone)
	keeps(t, s, "app.test. A", p)
}

// The targets of SRV records that lose their addresses are given up alike, one by one.
func TestATargetOfSRVThatIsGoneIsGivenUp(t *testing.T) {
	s := startNameServer(t)
	config := quick(t, s.address)
	config.Gone = 100 * time.Millisecond
	s.set("_http._tcp.app.test. SRV", "_http._tcp.app.test. 0 SRV 0 1 80 a.test.", "_http._tcp.app.test. 0 SRV 0 1 81 b.test.")
	s.set("a.test. A", "a.test. 0 A 10.0.0.1")
	s.set("b.test. A", "b.test. 0 A 10.0.0.2")
	_, p := watching(t, config, "srv:_http._tcp.app.test")
	await(t, p, "10.0.0.1:80", "10.0.0.2:81")
	s.set("b.test. A")
	await(t, p, "10.0.0.1:80")
}

// A name that somebody waits for is looked up at once, however long its last look-ups have failed.
func TestANameIsLookedUpWhenWorkWaitsForIt(t *testing.T) {
	s := startNameServer(t)
	config := quick(t, s.address)
	config.Retry = time.Hour
	_, p := watching(t, config, "late.test:80")
	eventually(t, func() bool { return s.queries("late.test. A") > 0 }, func() string { return "not asked" })
	s.set("late.test. A", "late.test. 60 A 10.0.0.1")
	begun := time.Now()
	eventually(t, func() bool {
		p.Pick(0, time.Now().UnixMilli(), 1, nil)
		return len(p.Set().Servers) == 1
	}, func() string { return "not asked again" })
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestOneFailingTypeDoesNotHideTheOther(t *testing.T) {
	s := startNameServer(t)
	s.set("app.test. A", "app.test. 0 A 10.0.0.1")
	s.set("app.test. AAAA", "app.test. 0 AAAA 2001:db8::1")
	s.fail("app.test. AAAA", true)
	_, p := watching(t, quick(t, s.address), "app.test:80")
	await(t, p, "10.0.0.1:80")
	s.fail("app.test. AAAA", false)
	await(t, p, "10.0.0.1:80", "[2001:db8::1]:80")
	s.fail("app.test. AAAA", true)
	keeps(t, s, "app.test. A", p)
}

func TestTheTTLHolds(t *testing.T) {
	s := startNameServer(t)
	s.set("app.test. A", "app.test. 1 A 10.0.0.1")
	_, p := watching(t, quick(t, s.address), "app.test:80")
	await(t, p, "10.0.0.1:80")
	time.Sleep(700 * time.Millisecond)
	if n := s.queries("app.test. A"); n != 1 {
		t.Errorf("asked %d times within 0.7 s of a TTL of 1 s", n)
	}
	eventually(t, func() bool { return s.queries("app.test. A") > 1 }, func() string { return "not asked again after the TTL" })
}

func TestAHugeAnswerIsCut(t *testing.T) {
	s := startNameServer(t)
	var lines []string
	for i := range 1000 {
		lines = append(lines, fmt.Sprintf("big.test. 0 A 10.1.%d.%d", i/250, i%250))
	}
	s.set("big.test. A", lines...)
	_, p := watching(t, quick(t, s.address), "big.test:80")
	eventually(t, func() bool { return len(p.Set().Servers) == recordsMax }, func() string { return fmt.Sprintf("%d servers", len(p.Set().Servers)) })
	slices.Reverse(lines)
	s.set("big.test. A", lines...)
	keeps(t, s, "big.test. A", p)
}

func TestCNAMEsAreFollowedWithinAndAcrossAnswers(t *testing.T) {
	s := startNameServer(t)
	s.set("a.test. A", "a.test. 60 CNAME b.test.", "b.test. 60 CNAME C.test.", "c.test. 60 A 10.0.0.1")
	s.set("x.test. CNAME", "x.test. 60 CNAME y.test.")
	s.set("y.test. A", "y.test. 60 A 10.0.0.2")
	_, p := watching(t, quick(t, s.address), "a.test:80", "x.test:80")
	await(t, p, "10.0.0.1:80", "10.0.0.2:80")
}

func TestCNAMELoopsEnd(t *testing.T) {
	s := startNameServer(t)
	s.set("within.test. A", "within.test. 60 CNAME b.test.", "b.test. 60 CNAME within.test.")
	s.set("across.test. CNAME", "across.test. 60 CNAME back.test.")
	s.set("back.test. CNAME", "back.test. 60 CNAME across.test.")
	s.set("self.test. CNAME", "self.test. 60 CNAME self.test.")
	for _, name := range []string{"within.test", "across.test", "self.test"} {
		var failure atomic.Pointer[error]
		c := quick(t, s.address)
		c.OnChange = func(_ string, _ []pool.Record, err error) { failure.Store(&err) }
		_, p := watching(t, c, name+":80")
		eventually(t, func() bool { return failure.Load() != nil }, func() string { return name + ": no failure reported" })
		if err := *failure.Load(); err == nil || !strings.Contains(err.Error(), "CNAME") || len(p.Set().Servers) != 0 {
			t.Errorf("%s: %v, %v", name, err, addresses(p))
		}
	}
	if n := s.queries("across.test. A"); n > 2000 {
		t.Errorf("asked %d times for a loop", n)
	}
}

func TestSRVBringsHostsPortsWeightsAndPriorities(t *testing.T) {
	s := startNameServer(t)
	s.set("_http._tcp.app.test. SRV",
		"_http._tcp.app.test. 0 SRV 10 3 8080 a.test.", "_http._tcp.app.test. 0 SRV 20 0 8081 b.test.", "_http._tcp.app.test. 0 SRV 10 1 8082 gone.test.")
	s.set("a.test. A", "a.test. 0 A 10.0.0.1", "a.test. 0 A 10.0.0.2")
	s.set("b.test. AAAA", "b.test. 0 AAAA 2001:db8::1")
	_, p := watching(t, quick(t, s.address), "srv:_http._tcp.app.test")
	await(t, p, "10.0.0.1:8080", "10.0.0.2:8080", "[2001:db8::1]:8081")
	if got := p.Set().Servers[2].Host; got != "b.test" {
		t.Errorf("host %q", got)
	}
	if got, _ := p.Pick(0, 1, 1, nil); got.Address.AddrPort.Port() != 8080 {
		t.Errorf("picked %v of the later priority", got.Address)
	}
	s.fail("a.test.", true)
	keeps(t, s, "a.test. A", p)
	s.set("_http._tcp.app.test. SRV", "_http._tcp.app.test. 0 SRV 0 0 0 .")
	keeps(t, s, "_http._tcp.app.test. SRV", p)
}

func TestTheHostsFileComesFirst(t *testing.T) {
	s := startNameServer(t)
	s.set("app.test. A", "app.test. 60 A 10.0.0.1")
	c := quick(t, s.address)
	c.Hosts = filepath.Join(t.TempDir(), "hosts")
	text := "# local\n10.9.0.1 App.test web # the app\n10.9.0.2\tapp.test\nbroken app.test\n10.9.0.3 app.test.more\n"
	if err := os.WriteFile(c.Hosts, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, p := watching(t, c, "app.test:80", "localhost:81")
	eventually(t, func() bool { return len(p.Set().Servers) == 4 }, func() string { return fmt.Sprint(addresses(p)) })
	if want := []string{"10.9.0.1:80", "10.9.0.2:80", "127.0.0.1:81", "[::1]:81"}; !slices.Equal(addresses(p), want) {
		t.Errorf("servers %v, want %v", addresses(p), want)
	}
	if n := s.queries("app.test. A") + s.queries("localhost. A"); n != 0 {
		t.Errorf("asked the name server %d times", n)
	}
}

func TestTheSearchListHolds(t *testing.T) {
	s := startNameServer(t)
	s.set("app.inner.test. A", "app.inner.test. 60 A 10.0.0.1")
	c := quick(t, s.address)
	if err := os.WriteFile(c.ResolvConf, []byte("nameserver 127.0.0.99\nsearch outer.test inner.test\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, p := watching(t, c, "app:80")
	await(t, p, "10.0.0.1:80")
}

func TestTheNextNameServerIsAskedWhenOneIsDead(t *testing.T) {
	s := startNameServer(t)
	s.set("app.test. A", "app.test. 60 A 10.0.0.1")
	_, p := watching(t, quick(t, "127.0.0.1:1", s.address), "app.test:80")
	await(t, p, "10.0.0.1:80")
}

func TestWithoutNameServersTheSystemIsAsked(t *testing.T) {
	c := quick(t)
	c.ResolvConf = filepath.Join(t.TempDir(), "missing")
	l := &lookup{config: New(c).config, hosts: map[string]*host{}}
	records, ttl, err := l.resolve(t.Context(), pool.Target{Name: "127.0.0.1", Port: 80})
	if err != nil || len(records) != 1 || ttl != systemTTL {
		t.Errorf("%v, %v, %v", records, ttl, err)
	}
}

func TestANewPoolGetsWhatIsKnown(t *testing.T) {
	s := startNameServer(t)
	s.set("app.test. A", "app.test. 60 A 10.0.0.1")
	r, p := watching(t, quick(t, s.address), "app.test:80")
	await(t, p, "10.0.0.1:80")
	second := pool.New(pool.Config{Name: "other", Servers: []pool.ServerConfig{{Address: "app.test:80"}}}, nil)
	r.Watch([]*pool.Pool{second})
	if got := addresses(second); !slices.Equal(got, []string{"10.0.0.1:80"}) {
		t.Errorf("servers %v", got)
	}
	if n := s.queries("app.test. A"); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestFailuresAreReportedOnceAndTheEndToo(t *testing.T) {
	s := startNameServer(t)
	var failures, successes atomic.Int32
	c := quick(t, s.address)
	c.OnChange = func(_ string, _ []pool.Record, err error) {
		if err != nil {
			failures.Add(1)
		} else {
			successes.Add(1)
		}
	}
	_, p := watching(t, c, "app.test:80")
	eventually(t, func() bool { return s.queries("app.test. A") > 3 }, func() string { return "not asked again" })
	s.set("app.test. A", "app.test. 0 A 10.0.0.1")
	await(t, p, "10.0.0.1:80")
	keeps(t, s, "app.test. A", p)
	s.fail("app.test.", true)
	keeps(t, s, "app.test. A", p)
	s.fail("app.test.", false)
	keeps(t, s, "app.test. A", p)
	if failures.Load() != 2 || successes.Load() != 2 {
		t.Errorf("%d failures and %d successes were reported, want two each", failures.Load(), successes.Load())
	}
}

func TestCloseEndsEveryGoroutineAtOnce(t *testing.T) {
	before := runtime.NumGoroutine()
	c := quick(t, startSilent(t))
	c.Timeout = time.Minute
	r := New(c)
	var pools []*pool.Pool
	for i := range 20 {
		pools = append(pools, pool.New(pool.Config{Servers: []pool.ServerConfig{{Address: fmt.Sprintf("n%d.test:80", i)}}}, nil))
	}
	r.Watch(pools)
	time.Sleep(20 * time.Millisecond) // now they wait for answers
	start := time.Now()
	r.Close()
	if d := time.Since(start); d > time.Second {
		t.Errorf("Close took %v", d)
	}
	eventually(t, func() bool { return runtime.NumGoroutine() <= before }, func() string {
		return fmt.Sprintf("%d goroutines, %d before", runtime.NumGoroutine(), before)
	})
}

func TestRetriesBackOff(t *testing.T) {
	for failures, want := range map[int]time.Duration{0: time.Second, 1: 2 * time.Second, 4: 16 * time.Second, 5: 30 * time.Second, 1000: 30 * time.Second} {
		if got := retryAfter(time.Second, failures); got != want {
			t.Errorf("after %d failures: %v, want %v", failures, got, want)
		}
	}
}
