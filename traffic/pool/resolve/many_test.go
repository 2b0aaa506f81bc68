package resolve

import (
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-proxy/weir/traffic/pool"
)

func named(pattern string, n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf(pattern, i))
	}
	return list
}

// A request to a pool of very many names that do not resolve must not hold its loop: all others there would wait.
func TestARequestToAPoolOfManyUnresolvedNamesTakesNoTime(t *testing.T) {
	s := startNameServer(t)
	_, p := watching(t, quick(t, s.address), named("n%d.invalid:80", 20_000)...)
	var took []time.Duration
	for i := range int64(9) {
		begun := time.Now()
		if _, why := p.Pick(0, 1000+i*wantedEvery, 1, nil); why != pool.NotResolved {
			t.Fatal(why)
		}
		took = append(took, time.Since(begun))
		time.Sleep(20 * time.Millisecond)
	}
	slices.Sort(took)
	if took[len(took)/2] > 10*time.Millisecond {
		t.Errorf("requests took %v", took)
	}
}

const wantedEvery = 100 // ms: the pool asks no more often

// Work that waits for a pool of many names has some of them looked up soon, and not all of them all the time.
func TestOfManyNamesSomeAreLookedUpForWorkThatWaits(t *testing.T) {
	s := startNameServer(t)
	config := quick(t, s.address)
	config.Retry = time.Hour
	r, p := watching(t, config, named("n%d.test:80", 1000)...)
	all := func() (n int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for name, asked := range s.asked {
			if name[len(name)-2:] == " A" {
				n += asked
			}
		}
		return n
	}
	eventually(t, func() bool { return all() >= 1000 }, func() string { return fmt.Sprintf("%d look-ups", all()) })
	for range 3 {
		r.hurry(p)
	}
	eventually(t, func() bool { return all() >= 1000+3*hurriedMost }, func() string { return fmt.Sprintf("%d look-ups", all()) })
	time.Sleep(2 * hurryAfter)
	if n := all(); n > 1000+3*hurriedMost {
		t.Errorf("%d look-ups", n)
	}
}

func TestLookUpsInFlightAreBounded(t *testing.T) {
	before := runtime.NumGoroutine()
	c := quick(t, startSilent(t))
	c.Timeout = time.Minute
	watching(t, c, named("n%d.test:80", 5000)...)
	most := 0
	for end := time.Now().Add(3 * slowAfter); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		most = max(most, runtime.NumGoroutine()-before)
	}
	if bound := 2*linesMost[quickLine] + linesMost[slowLine] + 20; most > bound || most < linesMost[slowLine] {
		t.Errorf("%d goroutines for 5000 names that hang", most)
	}
}

// Names that hang hold up each other, and no others.
func TestNamesThatHangDoNotHoldUpOthers(t *testing.T) {
	s := startNameServer(t)
	s.set("app.test. A", "app.test. 0 A 10.0.0.1")
	config := quick(t, s.address)
	config.Timeout = time.Minute
	_, p := watching(t, config, append(named("hang%d.test:80", 2*linesMost[quickLine]+10), "app.test:80")...)
	await(t, p, "10.0.0.1:80")
	s.set("app.test. A", "app.test. 0 A 10.0.0.2")
	await(t, p, "10.0.0.2:80")
}

// Where the slow line is full too, a look-up begins anew there, and a name whose answers take long is found when there is room.
func TestASlowNameIsFoundBehindNamesThatHang(t *testing.T) {
	s := startNameServer(t)
	s.set("slow.test. A", "slow.test. 60 A 10.0.0.1")
	config := quick(t, s.address)
	config.Timeout = 2 * slowAnswer
	_, p := watching(t, config, append(named("hang%d.test:80", linesMost[slowLine]+linesMost[quickLine]), "slow.test:80")...)
	for deadline := time.Now().Add(15 * time.Second); !slices.Equal(addresses(p), []string{"10.0.0.1:80"}); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(addresses(p))
		}
	}
}

// The set of a pool is built once for many names whose addresses are found at about the same time.
func TestAddressesOfManyNamesArePublishedTogether(t *testing.T) {
	s := startNameServer(t)
	const n = 2000
	for i := range n {
		s.set(fmt.Sprintf("n%d.test. A", i), fmt.Sprintf("n%d.test. 60 A 10.1.%d.%d", i, i/250, i%250))
	}
	var sets atomic.Int32
	cfg := pool.Config{Name: "web"}
	for _, a := range named("n%d.test:80", n) {
		cfg.Servers = append(cfg.Servers, pool.ServerConfig{Address: a})
	}
	p := pool.New(cfg, nil)
	p.OnChange(func(*pool.Set) { sets.Add(1) })
	r := New(quick(t, s.address))
	t.Cleanup(r.Close)
	r.Watch([]*pool.Pool{p})
	for deadline := time.Now().Add(20 * time.Second); len(p.Set().Servers) < n; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d servers", len(p.Set().Servers))
		}
	}
	if got := sets.Load(); got > n/2 {
		t.Errorf("%d sets for %d names", got, n)
	}
}
