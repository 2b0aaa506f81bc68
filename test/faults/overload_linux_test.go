package faults

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

// workers is a web server that serves as many requests at a time as it has workers, each for so long; the others wait in it.
func workers(t *testing.T, n int, takes time.Duration) (address string) {
	t.Helper()
	free := make(chan struct{}, n)
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		free <- struct{}{}
		time.Sleep(takes)
		<-free
		io.WriteString(w, "done")
	})}
	return peers.ServeHTTP(t, s)
}

// offered is clients that ask at a rate, however long the answers take.
type offered struct {
	address string
	mu      sync.Mutex
	free    []*conn
	good    []time.Duration
	shed    []time.Duration
	errs    []error
	running sync.WaitGroup
}

// run asks for so long, and waits for the answers.
func (o *offered) run(rate int, lasts time.Duration) {
	began := time.Now()
	for n := 0; time.Since(began) < lasts; time.Sleep(time.Millisecond) {
		for due := int(time.Since(began).Seconds() * float64(rate)); n < due; n++ {
			o.running.Go(o.one)
		}
	}
	o.running.Wait()
}

func (o *offered) one() {
	c, err := o.conn()
	if err != nil {
		o.note(0, 0, err)
		return
	}
	began := time.Now()
	response, _, err := c.get("/")
	if err != nil {
		c.Close()
		o.note(0, 0, err)
		return
	}
	o.note(response.StatusCode, time.Since(began), nil)
	o.mu.Lock()
	o.free = append(o.free, c)
	o.mu.Unlock()
}

func (o *offered) conn() (*conn, error) {
	o.mu.Lock()
	if n := len(o.free); n > 0 {
		defer o.mu.Unlock()
		c := o.free[n-1]
		o.free = o.free[:n-1]
		return c, nil
	}
	o.mu.Unlock()
	raw, err := net.Dial("tcp", o.address)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: raw, r: bufio.NewReader(raw)}, nil
}

func (o *offered) note(status int, took time.Duration, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case err == nil && status == 200:
		o.good = append(o.good, took)
	case err == nil && status == 503:
		o.shed = append(o.shed, took)
	case err == nil:
		o.errs = append(o.errs, fmt.Errorf("status %d", status))
	default:
		o.errs = append(o.errs, err)
	}
}

// closes ends the connections.
func (o *offered) close() {
	for _, c := range o.free {
		c.Close()
	}
}

func percentile(list []time.Duration, share float64) time.Duration {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[int(float64(len(list)-1)*share)]
}

// peakMemory is the most that a process has had resident, in bytes.
func (s *subject) peakMemory() (n int) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.Pid()))
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, "VmHWM:"); found {
			fmt.Sscanf(rest, "%d kB", &n)
		}
	}
	return n << 10
}

// TestThreeTimesTheCapacity offers three times what the servers can do, with a configuration that says nothing of limits.
func TestThreeTimesTheCapacity(t *testing.T) {
	lasts := 8 * time.Second
	if *soak {
		lasts = time.Minute
	}
	const each, takes = 4, 10 * time.Millisecond
	s := start(t, strings.ReplaceAll(`
listeners: { front: "FRONT" }
pools: { web: { servers: [SERVERS] } }
sites: { "*": web }
admin: "ADMIN"
logs: { access: off }
`, "SERVERS", `"`+workers(t, each, takes)+`", "`+workers(t, each, takes)+`"`))
	const able = 2 * each * int(time.Second/takes)
	peak := &offered{address: s.address["FRONT"]}
	peak.run(able*8/10, 3*time.Second)
	most := float64(len(peak.good)) / 3 / 0.8
	peak.close()

	// That the servers can do no more takes weir a moment to see; what waits by then waits on.
	o := &offered{address: s.address["FRONT"]}
	o.run(3*able, 3*time.Second)
	o.good, o.shed = nil, nil
	began := time.Now()
	o.run(3*able, lasts)
	took := time.Since(began)
	o.close()
	for i, err := range o.errs {
		if i == 5 {
			t.Errorf("and %d more", len(o.errs)-5)
			break
		}
		t.Error(err)
	}
	goodput, memory := float64(len(o.good))/took.Seconds(), s.peakMemory()
	t.Logf("capacity %.0f/s; offered %d/s for %v: goodput %.0f/s (%.0f %%), p50 %v, p99 %v; %d shed, p50 %v, p90 %v, p99 %v; at most %d MiB", most, 3*able, lasts, goodput,
		goodput/most*100, percentile(o.good, .5), percentile(o.good, .99), len(o.shed), percentile(o.shed, .5), percentile(o.shed, .9), percentile(o.shed, .99), memory>>20)
	if goodput < 0.8*most {
		t.Errorf("goodput %.0f/s of %.0f/s", goodput, most)
	}
	if p := percentile(o.shed, .99); p > 5*time.Millisecond {
		t.Errorf("what is shed takes %v to say", p)
	}
	if memory > 256<<20 {
		t.Errorf("%d MiB", memory>>20)
	}
}
