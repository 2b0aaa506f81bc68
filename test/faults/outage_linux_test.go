package faults

import (
	"bufio"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// outage counts what clients see while all servers are down and after.
type outage struct {
	mu      sync.Mutex
	good    int
	refused []time.Duration // how long the 503 and 502 took
	other   []string
}

func (o *outage) ask(c *conn) error {
	began := time.Now()
	response, body, err := c.get("/")
	took := time.Since(began)
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case err != nil:
		return err
	case response.StatusCode == 200:
		o.good++
	case response.StatusCode == 503 || response.StatusCode == 502:
		o.refused = append(o.refused, took)
	default:
		o.other = append(o.other, response.Status+" "+body)
	}
	return nil
}

// count returns the good answers so far.
func (o *outage) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.good
}

func TestAllServersDownAndBack(t *testing.T) {
	lasts := 5 * time.Second
	if *soak {
		lasts = 30 * time.Second
	}
	servers := []*patient{newPatient(t), newPatient(t), newPatient(t)}
	s := start(t, fmt.Sprintf(`
listeners: { front: "FRONT" }
pools:
  web: { servers: [%q, %q, %q], health: { every: 500ms } }
sites: { "*": web }
admin: "ADMIN"
logs: { access: off }
`, servers[0].address, servers[1].address, servers[2].address))
	o := &outage{}
	const clients = 16
	load := run(clients, 3*time.Millisecond, func() func() error {
		raw, err := net.Dial("tcp", s.address["FRONT"])
		if err != nil {
			t.Fatal(err)
		}
		c := &conn{Conn: raw, r: bufio.NewReader(raw)}
		return func() error { return o.ask(c) }
	})
	rate := func(d time.Duration) int {
		before := o.count()
		time.Sleep(d)
		return int(float64(o.count()-before) / d.Seconds())
	}
	opened := func() (n uint64) {
		for _, server := range s.status().Pools[0].Servers {
			n += server.Connections.Opened
		}
		return n
	}
	rate(3 * time.Second) // as long as after the outage
	steady, atFirst := rate(time.Second), opened()

	for _, server := range servers {
		server.become(killed)
	}
	time.Sleep(lasts)
	if n := s.status().Pools[0].Queue.Waiting; n > 1000 {
		t.Errorf("%d requests wait", n)
	}
	down := opened()
	for _, server := range servers {
		server.become(healthy)
	}
	time.Sleep(3 * time.Second)
	after, again := rate(time.Second), opened()-down
	asked := load.end(t)

	slices.Sort(o.refused)
	if len(o.refused) < 100 || len(o.other) > 0 {
		t.Fatalf("%d answers of 502 and 503, others: %q", len(o.refused), o.other)
	}
	p99 := o.refused[len(o.refused)*99/100]
	t.Logf("%d requests; refused %d, p99 %v; %d/s before, %d/s 3 s after; connections opened %d at first, %d again", asked, len(o.refused), p99, steady, after, atFirst, again)
	if p99 > 10*time.Millisecond {
		t.Errorf("a refusal takes %v", p99)
	}
	if after < steady*9/10 {
		t.Errorf("3 s after the servers are back: %d requests/s, before: %d", after, steady)
	}
	most := 2 * atFirst
	if !*soak {
		most += 2 // beside other tests, one more for each loop
	}
	if again > most {
		t.Errorf("%d connections were opened when the servers came back, %d at first", again, atFirst)
	}
}
