package faults

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

// Of the reloads of this test one follows the other as in 1,000 reloads in ten minutes, which is what it does as part of `make soak`.
const (
	pauseOfReloads = 600 * time.Millisecond
	window         = 5 * time.Second // with reloads, then without
)

func TestManyReloadsUnderLoadDisturbNothingAndLeaveNothing(t *testing.T) {
	lasts, atLeast := time.Minute, 50_000
	if *soak {
		lasts, atLeast = 20*time.Minute, 1_000_000 // half of it without reloads, to compare with
	}
	a, b := origin(t, "a"), origin(t, "b")
	s := start(t, reloadConfig(0, a, b))
	n := 0
	reload := func() {
		n++
		if n%5 == 0 {
			s.write(broken[n/5%(len(broken)-1)])
			s.reload(refused)
			return
		}
		s.write(reloadConfig(n, a, b))
		s.reload(reloaded)
	}
	// What a first round of everything leaves behind for good is the base.
	warm := startMixedLoad(t, s.address["FRONT"])
	for end := time.Now().Add(2 * window); time.Now().Before(end); time.Sleep(pauseOfReloads / 6) {
		reload()
	}
	warm.end(t)
	base := s.weight()
	s.write(reloadConfig(0, a, b))
	s.reload(reloaded)

	load := startMixedLoad(t, s.address["FRONT"])
	var during, calm []time.Duration
	for began := time.Now(); time.Since(began) < lasts; {
		load.kept.p99()
		for end := time.Now().Add(window); time.Now().Before(end); time.Sleep(pauseOfReloads) {
			reload()
		}
		during = append(during, load.kept.p99())
		time.Sleep(window)
		calm = append(calm, load.kept.p99())
	}
	asked := load.end(t)
	after := s.weight()

	slices.Sort(during)
	slices.Sort(calm)
	with, without := during[len(during)/2], calm[len(calm)/2]
	t.Logf("%d reloads, %d requests; p99 with reloads %v, without %v; at first %v, at last %v", n, asked, with, without, base, after)
	if asked < atLeast {
		t.Errorf("%d requests prove less than %d", asked, atLeast)
	}
	// A time slice of the scheduler is the machine's, not a reload's.
	if slack := 2 * time.Millisecond; with > without*12/10+slack {
		t.Errorf("the p99 with reloads is %v, %v without", with, without)
	}
	if after.goroutines > base.goroutines+2 || after.descriptors > base.descriptors+2 {
		t.Errorf("reloads leave goroutines or descriptors behind: %v, then %v", base, after)
	}
	if after.heap > base.heap*105/100+256<<10 {
		t.Errorf("reloads leave memory behind: %v, then %v", base, after)
	}
}

// mixedLoad is what must not notice a reload.
type mixedLoad struct {
	kept  *load
	loads []*load
	conns []*conn // that last until the end
	stop  chan struct{}
	long  sync.WaitGroup
}

func startMixedLoad(t *testing.T, front string) *mixedLoad {
	m := &mixedLoad{stop: make(chan struct{})}
	lasting := func() func() error {
		c := dial(t, front)
		m.conns = append(m.conns, c)
		return func() error { return c.ok("/") }
	}
	m.kept = run(16, 2*time.Millisecond, lasting)
	m.loads = []*load{m.kept, run(4, 5*time.Millisecond, newConnections(front, "/")), run(4, 100*time.Millisecond, lasting)}
	for range 2 {
		m.long.Go(func() {
			m.again(t, func() error {
				c := dial(t, front)
				defer c.Close()
				return longDownload(c)
			})
		})
		m.long.Go(func() {
			m.again(t, func() error {
				pieces := make(chan struct{})
				time.AfterFunc(5*time.Second, func() { close(pieces) })
				return longUpload(dial(t, front), pieces)
			})
		})
	}
	return m
}

// again does what takes long until the load ends.
func (m *mixedLoad) again(t *testing.T, do func() error) {
	for {
		if err := do(); err != nil {
			t.Error(err)
			return
		}
		select {
		case <-m.stop:
			return
		default:
		}
	}
}

func (m *mixedLoad) end(t *testing.T) (asked int) {
	t.Helper()
	close(m.stop)
	m.long.Wait()
	for _, l := range m.loads {
		asked += l.end(t)
	}
	for _, c := range m.conns {
		c.Close()
	}
	return asked
}

// longDownload is download from whichever server.
func longDownload(c *conn) error {
	response, body, err := c.get("/drip/100/50ms")
	if err != nil {
		return fmt.Errorf("download: %w", err)
	}
	if response.StatusCode != 200 || len(body) != 100<<10 || strings.Trim(body, body[:1]) != "" {
		return fmt.Errorf("download: %s, %d bytes", response.Status, len(body))
	}
	return nil
}

// longUpload is upload to whichever server.
func longUpload(c *conn, stop <-chan struct{}) error {
	defer c.Close()
	err := upload(c, stop)
	if err != nil && strings.Contains(err.Error(), `"b `) {
		return nil // it was counted by the other one
	}
	return err
}

// weight is what a weir takes while it has nothing to do.
type weight struct{ heap, goroutines, descriptors int }

func (w weight) String() string {
	return fmt.Sprintf("%d KiB of heap, %d goroutines, %d descriptors", w.heap>>10, w.goroutines, w.descriptors)
}

// weight gives weir a configuration without servers, waits until connections of clients are gone and collects what is garbage.
func (s *subject) weight() weight {
	s.t.Helper()
	s.write(`{ listeners: { front: "FRONT" }, sites: { "*": { /*: { respond: 204 } } }, admin: "ADMIN", logs: { access: off } }`)
	s.reload(reloaded)
	within(s.t, 10*time.Second, "the clients' connections to end", func() bool { return s.status().Exchanges.Clients == 0 })
	time.Sleep(200 * time.Millisecond)
	// What is alive is read before the profile is written, which makes garbage of its own, the more the more has been sampled.
	profile, descriptors := "", 0
	for range 2 {
		profile = s.text("/debug/pprof/heap?gc=1&debug=1")
	}
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", s.Pid()))
	if err != nil || len(links) == 0 {
		s.t.Fatalf("%d descriptors: %v", len(links), err)
	}
	for _, link := range links {
		// Loops keep a bounded number of pipes for the next large answers.
		if to, _ := os.Readlink(link); !strings.HasPrefix(to, "pipe:") {
			descriptors++
		}
	}
	_, rest, _ := strings.Cut(profile, "\n# HeapAlloc = ")
	line, _, _ := strings.Cut(rest, "\n")
	heap, err := strconv.Atoi(line)
	if err != nil {
		s.t.Fatalf("the profile does not say what is alive: %v", err)
	}
	return weight{heap, s.goroutines(), descriptors}
}

// goroutines counts those that are no coroutines of a loop, which are kept for the next requests and are bounded.
func (s *subject) goroutines() (n int) {
	s.t.Helper()
	groups := strings.Split(s.text("/debug/pprof/goroutine?debug=1"), "\n\n")
	for _, group := range groups {
		text := group[strings.Index(group, "\n")+1:]
		if !strings.HasPrefix(group, "goroutine profile") {
			text = group
		}
		count, _, found := strings.Cut(text, " @ ")
		if one, err := strconv.Atoi(count); found && err == nil && !strings.Contains(group, "engine.newCoroutine") {
			n += one
		}
	}
	return n
}

func (s *subject) text(path string) string {
	s.t.Helper()
	response, err := peers.AskAdmin(s.address["ADMIN"], path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}
