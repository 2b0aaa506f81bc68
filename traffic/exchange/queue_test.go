package exchange

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-proxy/weir/traffic/pool"
)

// slow answers each request after a time, and counts how many it has at once.
type slow struct {
	takes            time.Duration
	now, most, dials atomic.Int32
}

func (s *slow) serve(c net.Conn) {
	s.dials.Add(1)
	buf := make([]byte, 4096)
	for {
		if _, err := c.Read(buf); err != nil {
			return
		}
		if n := s.now.Add(1); n > s.most.Load() {
			s.most.Store(n)
		}
		time.Sleep(s.takes)
		s.now.Add(-1)
		if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); err != nil {
			return
		}
	}
}

// limited gives the world's pool limits.
func (w *world) limited(change func(c *pool.Config)) {
	cfg := pool.Config{Name: "servers", Loops: 1, Balance: pool.BalanceConfig{Policy: "first"}}
	for i := range len(w.servers) {
		cfg.Servers = append(cfg.Servers, pool.ServerConfig{Address: fmt.Sprintf("10.0.0.%d:80", i+1)})
	}
	change(&cfg)
	w.route.Destination.Pool = pool.New(cfg, nil)
}

func TestRequestsWaitForALimitedServerAndAreAllServed(t *testing.T) {
	s := &slow{takes: 50 * time.Millisecond}
	inWorld(t, servers(s.serve), func(w *world) {
		w.limited(func(c *pool.Config) { c.Servers[0].MaxConnections = 3 })
		var group sync.WaitGroup
		for range 30 {
			group.Go(func() {
				c := w.client()
				c.send(getting("/"))
				c.want("a request", 200, "ok")
				c.Close()
			})
		}
		began := time.Now()
		group.Wait()
		if took := time.Since(began); took != 500*time.Millisecond+waitForAnothers {
			t.Errorf("30 requests, three at a time, of 50 ms each took %v", took)
		}
		if s.most.Load() != 3 || s.dials.Load() != 3 {
			t.Errorf("%d requests at once over %d connections, want 3", s.most.Load(), s.dials.Load())
		}
	})
}

// waitForAnothers is how long a request waits, at most, for a connection that another has, in place of opening its own.
const waitForAnothers = 3 * time.Millisecond

// A burst to a server without connections opens half as many as there are requests, where it answers before another connection would have paid. A second
// later each opens what it wants.
func TestBurstOnAColdServerOpensFewConnections(t *testing.T) {
	for name, c := range map[string]struct {
		takes        time.Duration
		close        bool
		dials, later int32
	}{
		"quick":                  {takes: 2 * time.Millisecond, dials: 10, later: 20},
		"slow":                   {takes: 100 * time.Millisecond, dials: 20, later: 20},
		"closes after an answer": {takes: 2 * time.Millisecond, close: true, dials: 20, later: 40},
	} {
		t.Run(name, func(t *testing.T) {
			s := &slow{takes: c.takes}
			serve := s.serve
			if c.close {
				serve = s.serveOne
			}
			inWorld(t, servers(serve), func(w *world) {
				var clients []*client
				for range 20 {
					clients = append(clients, w.client())
				}
				burst := func(want int32) {
					began := time.Now()
					var group sync.WaitGroup
					for _, c := range clients {
						group.Go(func() {
							c.send(getting("/"))
							c.want("a request", 200, "ok")
						})
					}
					group.Wait()
					if took := time.Since(began); took > c.takes+waitForAnothers {
						t.Errorf("the burst took %v, each answer takes %v", took, c.takes)
					}
					if n := s.dials.Load(); n != want {
						t.Errorf("%d connections, want %d", n, want)
					}
				}
				burst(c.dials)
				time.Sleep(2 * time.Second)
				burst(c.later)
				for _, c := range clients {
					c.Close()
				}
			})
		})
	}
}

// serveOne closes after the answer, and says so.
func (s *slow) serveOne(c net.Conn) {
	s.dials.Add(1)
	if _, err := c.Read(make([]byte, 4096)); err == nil {
		time.Sleep(s.takes)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
	}
	c.Close()
}

func TestAFullQueueAnswersAtOnceAndALongWaitEnds(t *testing.T) {
	s := &slow{takes: 10 * time.Second}
	inWorld(t, servers(s.serve), func(w *world) {
		w.limited(func(c *pool.Config) {
			c.Servers[0].MaxRequests = 1
			c.Queue = pool.QueueConfig{Length: 1, Wait: 2000}
		})
		ask := func() *client {
			c := w.client()
			c.send(getting("/"))
			synctest.Wait()
			return c
		}
		first, second := ask(), ask()
		began := time.Now()
		third := ask()
		head := third.want("with a full queue", 503, "*")
		if took := time.Since(began); took > 10*time.Millisecond || head.Get("Retry-After") == "" {
			t.Errorf("took %v, Retry-After %q", took, head.Get("Retry-After"))
		}
		second.want("in the queue for too long", 503, "*")
		if took := time.Since(began); took < 1900*time.Millisecond || took > 2100*time.Millisecond {
			t.Errorf("waited %v, want 2 s", took)
		}
		first.want("the one with the server", 200, "ok")
		for _, c := range []*client{first, second, third} {
			c.Close()
		}
	})
}

// from is a connection that comes from an address.
type from struct {
	net.Conn
	ip string
}

func (f from) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(f.ip), Port: 1} }

func (w *world) clientFrom(ip string) *client {
	ours, theirs := net.Pipe()
	w.engine.ServeConn(from{theirs, ip}, w.engine.Loops()[0], w.http)
	return &client{ours, w.t, bufio.NewReader(ours)}
}

func TestAClientWithManyRequestsDoesNotStarveAnother(t *testing.T) {
	s := &slow{takes: 10 * time.Millisecond}
	inWorld(t, servers(s.serve), func(w *world) {
		w.limited(func(c *pool.Config) {
			c.Servers[0].MaxRequests = 1
			c.Queue.Wait = 60_000
		})
		var group sync.WaitGroup
		ask := func(client string) {
			c := w.clientFrom(client)
			c.send(getting("/"))
			c.want(client, 200, "ok")
			c.Close()
		}
		for range 1000 {
			group.Go(func() { ask("10.1.1.1") })
		}
		synctest.Wait()
		began := time.Now()
		ask("10.2.2.2")
		if took := time.Since(began); took > 50*time.Millisecond {
			t.Errorf("the other client waited %v behind a thousand requests", took)
		}
		group.Wait()
	})
}
