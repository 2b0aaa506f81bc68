package faults

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-proxy/weir/control/admin/api"
)

// sickServer is a web server that can fall ill in several ways.
type sickServer struct {
	t       *testing.T
	address string
	server  *http.Server
	resets  atomic.Int64 // of 100 requests, those whose connection is reset
	slow    atomic.Int64 // nanoseconds until it answers
	asked   atomic.Int64
	broken  atomic.Int64 // requests reset
}

func startSick(t *testing.T) *sickServer {
	s := &sickServer{t: t, address: "127.0.0.1:0"}
	s.up()
	t.Cleanup(func() { s.down() })
	return s
}

func (s *sickServer) up() {
	l, err := net.Listen("tcp", s.address)
	if err != nil {
		s.t.Error(err)
		return
	}
	s.address = l.Addr().String()
	s.server = &http.Server{Handler: s}
	go s.server.Serve(l)
}

// down closes the address and every connection, whatever is under way on it.
func (s *sickServer) down() { s.server.Close() }

func (s *sickServer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	n := s.asked.Add(1)
	if n%100*s.resets.Load()%100 < s.resets.Load() && s.resets.Load() > 0 {
		s.broken.Add(1)
		if c, _, err := w.(http.Hijacker).Hijack(); err == nil {
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
		}
		return
	}
	time.Sleep(time.Duration(s.slow.Load()))
	w.Write([]byte("hello"))
}

// sickness is what one of three servers suffers for a while under load.
type sickness struct {
	name    string
	balance string
	lasts   time.Duration
	begin   func(s *sickServer)
	during  func(s *sickServer, until time.Time)
	end     func(s *sickServer)

	ejected   bool // it is so sick that it is left alone
	ejections int  // at most
	breaks    int  // times that what is under way is lost
}

// connectLimit is the time to connect in these tests; p99 may be that and a second try's.
const connectLimit = 500 * time.Millisecond

var sicknesses = []sickness{
	{name: "killed, then refusing", balance: "round_robin", lasts: 3 * time.Second, begin: (*sickServer).down, end: (*sickServer).up, ejected: true, ejections: 2, breaks: 1},
	{name: "flapping each 2 s", balance: "round_robin", lasts: 8 * time.Second, begin: (*sickServer).down, during: flap, end: func(*sickServer) {}, ejected: true, ejections: 4, breaks: 2},
	{name: "resetting 5 %", balance: "round_robin", lasts: 3 * time.Second, begin: func(s *sickServer) { s.resets.Store(5) }, end: func(s *sickServer) { s.resets.Store(0) }},
	{name: "10 s slow", balance: "least_latency", lasts: 3 * time.Second, begin: func(s *sickServer) { s.slow.Store(int64(10 * time.Second)) }, end: func(s *sickServer) { s.slow.Store(0) }},
}

// flap is down for two seconds, up for two, and so on; it ends up.
func flap(s *sickServer, until time.Time) {
	for isUp := false; time.Now().Before(until); isUp = !isUp {
		time.Sleep(2 * time.Second)
		if isUp {
			s.down()
		} else {
			s.up()
		}
	}
}

func TestASickServerUnderLoad(t *testing.T) {
	for _, sick := range sicknesses {
		t.Run(sick.name, func(t *testing.T) { outliveSickness(t, &sick) })
	}
}

func outliveSickness(t *testing.T, sick *sickness) {
	servers := []*sickServer{startSick(t), startSick(t), startSick(t)}
	victim := servers[1]
	s := start(t, fmt.Sprintf(`
listeners: { front: "FRONT" }
pools:
  web: { servers: [%q, %q, %q], balance: %s, eject: { time: 2s }, timeouts: { connect: %v } }
sites: { "*": web }
admin: "ADMIN"
logs: { access: off }
`, servers[0].address, victim.address, servers[2].address, sick.balance, connectLimit))
	seen := func() *api.Server { return &s.status().Pools[0].Servers[1] }
	var posted, lost atomic.Int64
	gets := run(16, 3*time.Millisecond, keepAlive(t, s.address["FRONT"], "/"))
	const posters = 4
	posts := run(posters, 5*time.Millisecond, func() func() error {
		c := dial(t, s.address["FRONT"])
		return func() error { return postOnce(c, &posted, &lost) }
	})
	within(t, 5*time.Second, "every server to work", func() bool { return servers[0].asked.Load() > 50 && victim.asked.Load() > 50 && servers[2].asked.Load() > 50 })
	gets.p99()

	began := time.Now()
	sick.begin(victim)
	if sick.ejected {
		within(t, 3*time.Second, "the server to be ejected", func() bool { return seen().Ejections > 0 })
		if took := time.Since(began); took > time.Second {
			t.Errorf("ejected after %v", took)
		}
	}
	if sick.during != nil {
		sick.during(victim, began.Add(sick.lasts))
	} else {
		time.Sleep(time.Until(began.Add(sick.lasts)))
	}
	sick.end(victim)
	asked := gets.end(t) + posts.end(t)
	p99 := gets.p99()

	status := s.status()
	t.Logf("%d requests, %d sent again, p99 of GET %v; %d of %d POST lost; %d ejections", asked, status.Exchanges.Retries, p99, lost.Load(), posted.Load(), seen().Ejections)
	if asked < 1000 {
		t.Errorf("only %d requests", asked)
	}
	if p99 > 2*connectLimit {
		t.Errorf("the p99 of GET is %v", p99)
	}
	if status.Exchanges.Retries > uint64(asked)/5 {
		t.Errorf("%d of %d requests were sent again", status.Exchanges.Retries, asked)
	}
	if n := int64(posters*sick.breaks) + victim.broken.Load(); lost.Load() > n {
		t.Errorf("%d POST were lost, at most %d were under way at the sick server", lost.Load(), n)
	}
	if int(seen().Ejections) > sick.ejections {
		t.Errorf("ejected %d times", seen().Ejections)
	}
	for _, i := range []int{0, 2} {
		if n := status.Pools[0].Servers[i].Ejections; n > 0 {
			t.Errorf("server %d is well and was ejected %d times", i, n)
		}
	}
}

// postOnce sends a request that must not be sent twice: where its server was lost with it, 502 is the right answer.
func postOnce(c *conn, posted, lost *atomic.Int64) error {
	posted.Add(1)
	response, body, err := c.do("POST", "/", strings.Repeat("p", 100))
	switch {
	case err != nil:
		return err
	case response.StatusCode == 502:
		lost.Add(1)
	case response.StatusCode != 200:
		return fmt.Errorf("POST: %s: %.200s", response.Status, body)
	}
	return nil
}
