package faults

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// answers are what clients got, by what it was.
type answers struct {
	good     atomic.Int64 // 200
	finding  atomic.Bool  // that all servers are down takes weir a moment, in which 502 may come
	mu       sync.Mutex
	refusals []time.Duration // how long each 503 took
}

// asking is a client on one connection that takes 200 and 503.
func (a *answers) asking(t *testing.T, address string) func() func() error {
	return func() func() error {
		c := dial(t, address)
		return func() error {
			began := time.Now()
			response, _, err := c.get("/")
			switch {
			case err != nil:
				return err
			case response.StatusCode == 200:
				a.good.Add(1)
			case response.StatusCode == 502 && a.finding.Load(): // weir has seen nothing but this server's end
			case response.StatusCode == 503 && response.Header.Get("Retry-After") != "":
				a.mu.Lock()
				a.refusals = append(a.refusals, time.Since(began))
				a.mu.Unlock()
			default:
				return fmt.Errorf("%s, Retry-After %q", response.Status, response.Header.Get("Retry-After"))
			}
			return nil
		}
	}
}

// TestAllServersDown kills all servers for a while. Clients are told at once, and when the servers are back all is as before, without a rush.
func TestAllServersDown(t *testing.T) {
	down := 5 * time.Second
	if *soak {
		down = 30 * time.Second
	}
	servers := []*patient{newPatient(t), newPatient(t), newPatient(t)}
	var addresses []string
	for _, p := range servers {
		addresses = append(addresses, `"`+p.address+`"`)
	}
	s := start(t, strings.ReplaceAll(patients, "SERVERS", strings.Join(addresses, ", ")))
	var a answers
	clients := run(24, 2*time.Millisecond, a.asking(t, s.address["FRONT"]))
	time.Sleep(time.Second)
	rate := func(d time.Duration) float64 {
		before := a.good.Load()
		time.Sleep(d)
		return float64(a.good.Load()-before) / d.Seconds()
	}
	connections := func() (open, opened int) {
		for _, server := range s.status().Pools[0].Servers {
			open += server.Connections.Open
			opened += int(server.Connections.Opened)
		}
		return open, opened
	}
	steady := rate(time.Second)
	usual, opened := connections()

	a.finding.Store(true)
	for _, p := range servers {
		p.become(killed)
	}
	time.Sleep(600 * time.Millisecond)
	a.finding.Store(false)
	a.mu.Lock()
	a.refusals = nil
	a.mu.Unlock()
	waiting := 0
	for end := time.Now().Add(down); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		waiting = max(waiting, s.status().Pools[0].Queue.Waiting)
	}
	a.mu.Lock()
	refusals := slices.Clone(a.refusals)
	a.mu.Unlock()
	_, before := connections()
	for _, p := range servers {
		p.become(healthy)
	}
	back := time.Now()
	for rate(100*time.Millisecond) < 0.9*steady && time.Since(back) < 10*time.Second {
	}
	took := time.Since(back)
	time.Sleep(time.Second)
	_, after := connections()
	clients.end(t)

	slices.Sort(refusals)
	if len(refusals) < 100 {
		t.Fatalf("only %d answers of 503", len(refusals))
	}
	p50, p99 := refusals[len(refusals)/2], refusals[len(refusals)*99/100]
	t.Logf("steady %.0f requests/s over %d connections; %d answers of 503 in %v, p50 %v, p99 %v, at most %d waited; back at full rate after %v, with %d connections opened, where the start opened %d",
		steady, usual, len(refusals), down, p50, p99, waiting, took, after-before, opened)
	if p99 > 10*time.Millisecond {
		t.Errorf("503 takes %v", p99)
	}
	if waiting > 1024 {
		t.Errorf("%d requests waited", waiting)
	}
	if took > 3*time.Second {
		t.Errorf("back at full rate after %v", took)
	}
	// The servers come back one after the other, and each of two loops has one connection to each that chance alone decides.
	if after-before > 2*opened+2*len(servers) {
		t.Errorf("%d connections are opened, and %d were at the start", after-before, opened)
	}
}
