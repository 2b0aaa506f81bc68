package faults

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/test/peers"
)

// soakConfig is the configuration of the n-th reload: a listener, a site and the way answers are chosen come and go.
func soakConfig(n int, sick, app string) string {
	second, balance := "", "least_latency"
	if n%2 == 1 {
		second, balance = "  second: { address: \"SECOND\" }\n", "round_robin"
	}
	return fmt.Sprintf(`
listeners:
  front: { address: "FRONT" }
  secure: { address: "SECURE", tls: { certificates: [{ cert: CERTFILE, key: KEYFILE }] } }
%spools:
  web:
    servers: [%s]
    balance: %s
    timeouts: { connect: 300ms, response: 2s }
    health: { path: /health, every: 200ms, timeout: 1s, fall: 2, rise: 2 }
    eject: { time: 2s }
  app: { servers: [%q] }
sites:
  "*":
    /app/*: { pool: app, rewrite: { path: "/*" } }
    /*: web
  "new%d.test": { /*: { respond: { body: %d } } }
admin: "ADMIN"
logs: { access: { file: DIR/access.log, format: "{method} {target} {status}" } }
`, second, sick, balance, app, n, n)
}

// pace is how often what happens in a soak.
type pace struct {
	lasts, warm          time.Duration
	reload, fault, heals time.Duration // a reload and a fault each so much, the fault for so long
	atLeast              int           // requests
}

// TestSoak has mixed traffic, reloads and faults go on together. Nothing is lost that need not be, nothing stays behind, and what weir
// counts is what its clients and servers count.
func TestSoak(t *testing.T) {
	p := pace{lasts: 24 * time.Second, warm: 6 * time.Second, reload: time.Second, fault: 4 * time.Second, heals: 2 * time.Second, atLeast: 10_000}
	if *soak {
		p = pace{lasts: 30 * time.Minute, warm: 5 * time.Minute, reload: 5 * time.Second, fault: 30 * time.Second, heals: 10 * time.Second, atLeast: 1_000_000}
	}
	servers := []*patient{newPatient(t), newPatient(t), newPatient(t)}
	var addresses []string
	for _, server := range servers {
		addresses = append(addresses, `"`+server.address+`"`)
	}
	sick, app := strings.Join(addresses, ", "), origin(t, "app")
	s, secure := startSecure(t, soakConfig(0, sick, app))
	// What a first round of everything leaves behind for good is the base.
	warm := newLedger(s.address["FRONT"], secure)
	warmLoads := soakLoad(t, warm)
	time.Sleep(2 * time.Second)
	endAll(t, warmLoads)
	warm.hangUp()
	base := s.weight()
	s.write(soakConfig(0, sick, app))
	s.reload(reloaded)
	within(t, 5*time.Second, "the checks", func() bool { return upServers(s.status()) == 3 })

	before := s.status()
	l := newLedger(s.address["FRONT"], secure)
	goods := goodOf(servers)
	loads := soakLoad(t, l)
	var resident []point
	var ill []illness
	began, reloads := time.Now(), 0
	for elapsed := time.Duration(0); elapsed < p.lasts; elapsed = time.Since(began) {
		if elapsed > time.Duration(reloads+1)*p.reload {
			reloads++
			if reloads%5 == 0 {
				s.write(broken[reloads/5%3])
				s.reload(refused)
			} else {
				s.write(soakConfig(reloads, sick, app))
				s.reload(reloaded)
			}
		}
		if n := len(ill); elapsed > time.Duration(n+1)*p.fault && elapsed < p.lasts-2*p.fault {
			ill = append(ill, begin(servers[n%3], sickness(1+n%6), p.heals))
		}
		if elapsed > p.warm {
			resident = append(resident, point{elapsed.Hours(), float64(s.resident())})
			if n := len(resident); n%300 == 0 {
				t.Logf("after %v: %.1f MB", elapsed.Round(time.Second), resident[n-1].bytes/1e6)
			}
		}
		time.Sleep(200 * time.Millisecond)
	}
	for _, one := range ill {
		<-one.over
	}
	asked := endAll(t, loads)
	l.hangUp()
	within(t, 15*time.Second, "the exchanges to end", func() bool { return s.status().Exchanges.Active == 0 })
	after := s.status()
	rise := slope(resident)
	l.agrees(t, before, after)
	for i, server := range servers {
		had, counts := server.good.Load()-goods[i], after.Pools[0].Servers[i].Outcomes["ok"]-before.Pools[0].Servers[i].Outcomes["ok"]
		if had != int64(counts) {
			t.Errorf("server %d has answered %d requests, and weir counts %d", i, had, counts)
		}
	}
	within(t, 5*time.Second, "a line in the log for each request", func() bool {
		logged, err := countLines(filepath.Join(s.dir, "access.log"))
		return err == nil && logged == int(after.Exchanges.Requests)
	})
	unexplained := 0
	for _, f := range l.failures {
		if !explained(f, ill) {
			unexplained++
			t.Logf("%s at %v: %s", f.method, f.at.Sub(began), f.status)
		}
	}
	weight := s.weight()
	t.Logf("%d requests, %d reloads, %d faults; %d POSTs failed, %d of them unexplained; resident %+.2f MB/h; at first %v, at last %v",
		asked, reloads, len(ill), len(l.failures), unexplained, rise, base, weight)
	if unexplained > 0 {
		t.Errorf("%d answers of 5xx while no server was ill", unexplained)
	}
	if asked < p.atLeast {
		t.Errorf("%d requests prove less than %d", asked, p.atLeast)
	}
	if *soak && rise > 1 {
		t.Errorf("the resident memory grows by %.2f MB/h", rise)
	}
	if weight.goroutines > base.goroutines+2 || weight.descriptors > base.descriptors+2 {
		t.Errorf("goroutines or descriptors stay behind: %v, then %v", base, weight)
	}
}

// startSecure starts weir with a listener for TLS more, and returns its address.
func startSecure(t *testing.T, config string) (*subject, string) {
	t.Helper()
	return startSecureBy(t, config, start)
}

func startSecureBy(t *testing.T, config string, start func(*testing.T, string) *subject) (*subject, string) {
	t.Helper()
	free, err := peers.FreeAddresses(1)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certificate, err := peers.NewCertificate(dir, "good.test")
	if err != nil {
		t.Fatal(err)
	}
	config = strings.NewReplacer("SECURE", free[0], "CERTFILE", certificate.Cert, "KEYFILE", certificate.Key).Replace(config)
	s := start(t, config)
	s.address["SECURE"] = free[0]
	s.address["CERTFILE"], s.address["KEYFILE"] = certificate.Cert, certificate.Key
	return s, free[0]
}

// soakLoad starts every kind of client.
func soakLoad(t *testing.T, l *ledger) []*load {
	upload := func() io.Reader { return strings.NewReader(strings.Repeat("u", 20<<10)) }
	small := func() io.Reader { return strings.NewReader("x") }
	return []*load{
		run(16, 12*time.Millisecond, l.kept(t, false, "GET", "/", nil)),
		run(4, 20*time.Millisecond, l.fresh(false, "GET", "/", nil)),
		run(4, 20*time.Millisecond, l.kept(t, true, "GET", "/", nil)),
		run(1, 50*time.Millisecond, l.fresh(true, "GET", "/", nil)),
		run(2, 20*time.Millisecond, l.kept(t, false, "POST", "/", small)),
		run(2, 50*time.Millisecond, l.kept(t, false, "GET", "/app/size/1500000", nil)),
		run(1, 50*time.Millisecond, l.kept(t, true, "GET", "/app/size/300000", nil)),
		run(2, 50*time.Millisecond, l.kept(t, false, "GET", "/app/drip/20/50ms", nil)),
		run(2, 50*time.Millisecond, l.kept(t, false, "POST", "/app/upload", upload)),
	}
}

func endAll(t *testing.T, loads []*load) (asked int) {
	t.Helper()
	for _, l := range loads {
		asked += l.end(t)
	}
	return asked
}

func upServers(st *api.Status) (n int) {
	for _, p := range st.Pools {
		for _, server := range p.Servers {
			if server.Health == "up" {
				n++
			}
		}
	}
	return n
}

func goodOf(servers []*patient) (n []int64) {
	for _, server := range servers {
		n = append(n, server.good.Load())
	}
	return n
}

// illness is one fault.
type illness struct {
	from  time.Time
	until *atomic.Int64 // Unix nanoseconds; 0: it lasts
	over  chan struct{}
}

// begin makes a server ill for a time.
func begin(server *patient, what sickness, lasts time.Duration) illness {
	one := illness{time.Now(), new(atomic.Int64), make(chan struct{})}
	server.become(what)
	time.AfterFunc(lasts, func() {
		server.become(healthy)
		one.until.Store(time.Now().UnixNano())
		close(one.over)
	})
	return one
}

// explained reports whether a server was ill when the request was under way, which takes two seconds at most.
func explained(f failure, ill []illness) bool {
	for _, one := range ill {
		until := one.until.Load()
		if f.at.After(one.from) && (until == 0 || f.at.Before(time.Unix(0, until).Add(2500*time.Millisecond))) {
			return true
		}
	}
	return false
}

// resident is the memory of weir that is not of files, in bytes.
func (s *subject) resident() int {
	s.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.Pid()))
	if err != nil {
		s.t.Fatalf("%s: %v", runtime.GOOS, err)
	}
	_, rest, _ := strings.Cut(string(text), "RssAnon:")
	n := 0
	if _, err := fmt.Sscanf(strings.TrimSpace(rest), "%d kB", &n); err != nil {
		s.t.Fatal(err)
	}
	return n << 10
}

// point is a moment, in hours, and bytes.
type point struct{ hours, bytes float64 }

// slope is the rise of the line of least squares through the points, in MB per hour.
func slope(points []point) float64 {
	var n, x, y, xx, xy float64
	for _, p := range points {
		n, x, y, xx, xy = n+1, x+p.hours, y+p.bytes, xx+p.hours*p.hours, xy+p.hours*p.bytes
	}
	if d := n*xx - x*x; d != 0 {
		return (n*xy - x*y) / d / 1e6
	}
	return math.NaN()
}

func countLines(file string) (n int, err error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	piece := make([]byte, 1<<20)
	for {
		got, err := f.Read(piece)
		n += bytes.Count(piece[:got], []byte{'\n'})
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}
