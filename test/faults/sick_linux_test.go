package faults

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// sickness is what a server can have.
type sickness int32

const (
	healthy  sickness = iota
	killed            // its connections are reset, and new ones refused
	refusing          // its connections end, and new ones are refused
	deaf              // nothing that is sent to it arrives: its system drops all packets, also those of new connections
	mute              // it takes connections and requests, and never answers
	slow              // it answers after ten seconds
	rude              // it resets every twentieth connection that brings a request
)

// patient is a web server that can be made ill.
type patient struct {
	t       *testing.T
	address string
	state   atomic.Int32
	unheard atomic.Int64 // POST requests that it had and did not answer
	good    atomic.Int64 // requests that it answered, those of checks not among them
	mu      sync.Mutex
	l       net.Listener
	conns   map[*net.TCPConn]bool
}

func newPatient(t *testing.T) *patient {
	p := &patient{t: t, address: "127.0.0.1:0", conns: map[*net.TCPConn]bool{}}
	p.listen()
	p.address = p.l.Addr().String()
	t.Cleanup(func() { p.become(killed) })
	return p
}

func (p *patient) listen() {
	plain := net.ListenConfig{} // sockets of multipath TCP take no filter
	plain.SetMultipathTCP(false)
	l, err := plain.Listen(context.Background(), "tcp", p.address)
	if err != nil {
		p.t.Error(err)
		return
	}
	p.l = l
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			p.conns[c.(*net.TCPConn)] = true
			p.mu.Unlock()
			go p.serve(c.(*net.TCPConn))
		}
	}()
}

// become makes it ill, or well again.
func (p *patient) become(s sickness) {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := sickness(p.state.Swap(int32(s)))
	switch s {
	case killed, refusing:
		p.l.Close()
		p.hangUp(s == killed)
	case deaf:
		drop(p.t, p.l.(*net.TCPListener))
		for c := range p.conns {
			drop(p.t, c)
		}
	case healthy:
		if was == deaf {
			p.hangUp(true)
			p.l.Close()
		}
		if was == deaf || was == killed || was == refusing {
			p.listen()
		}
		if was == mute || was == slow {
			p.hangUp(true)
		}
	}
}

func (p *patient) hangUp(reset bool) {
	for c := range p.conns {
		if reset {
			c.SetLinger(0)
		}
		c.Close()
	}
	clear(p.conns)
}

// drop has the system drop every packet to a socket, before TCP sees it.
func drop(t *testing.T, c syscall.Conn) {
	raw, err := c.SyscallConn()
	if err != nil {
		t.Error(err)
		return
	}
	nothing := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}}
	raw.Control(func(fd uintptr) {
		if err := unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &nothing[0]}); err != nil {
			t.Error(err)
		}
	})
}

func (p *patient) serve(c *net.TCPConn) {
	defer func() {
		p.mu.Lock()
		delete(p.conns, c)
		p.mu.Unlock()
		c.Close()
	}()
	r := bufio.NewReader(c)
	for {
		request, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		io.Copy(io.Discard, request.Body)
		if !p.answer(c) {
			if request.Method == "POST" {
				p.unheard.Add(1)
			}
			return
		}
		if request.URL.Path != healthPath {
			p.good.Add(1)
		}
	}
}

// answer reports whether the client has its answer.
func (p *patient) answer(c *net.TCPConn) bool {
	switch sickness(p.state.Load()) {
	case mute:
		io.Copy(io.Discard, c)
		return false
	case slow:
		time.Sleep(10 * time.Second)
		io.WriteString(c, helloAnswer)
		return false // weir has given it up long ago
	case rude:
		if rand.IntN(20) == 0 {
			c.SetLinger(0)
			return false
		}
	}
	_, err := io.WriteString(c, helloAnswer)
	return err == nil
}

const helloAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

// healthPath is asked for by checks only.
const healthPath = "/health"

// In the scenarios a request that hangs is given up after a second, and a check that hangs after a fifth.
const patients = `
listeners:
  front: { address: "FRONT" }
pools:
  web:
    servers: [SERVERS]
    timeouts: { connect: 300ms, response: 1s }
    health: { path: /health, every: 200ms, timeout: 200ms, fall: 2, rise: 2 }
    eject: { time: 2s }
sites:
  "*": web
admin: "ADMIN"
logs: { access: off }
`

// TestSickServers makes one of three servers ill under load. No client may notice but those whose request cannot be repeated.
func TestSickServers(t *testing.T) {
	for name, c := range map[string]struct {
		illness sickness
		lasts   time.Duration
		flaps   bool // well and ill by turns, each for two seconds
		stays   bool // it is never ejected: it answers most requests
	}{
		"killed":        {illness: killed, lasts: 3 * time.Second},
		"black-holed":   {illness: deaf, lasts: 3 * time.Second},
		"refusing":      {illness: refusing, lasts: 3 * time.Second},
		"flapping":      {illness: killed, lasts: 8 * time.Second, flaps: true},
		"resetting 5 %": {illness: rude, lasts: 3 * time.Second, stays: true},
		"10 s slow":     {illness: slow, lasts: 3 * time.Second},
		"half-open":     {illness: mute, lasts: 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			servers := []*patient{newPatient(t), newPatient(t), newPatient(t)}
			var addresses []string
			for _, p := range servers {
				addresses = append(addresses, `"`+p.address+`"`)
			}
			s := start(t, strings.ReplaceAll(patients, "SERVERS", strings.Join(addresses, ", ")))
			front := s.address["FRONT"]
			good := run(16, 2*time.Millisecond, keepAlive(t, front, "/"))
			others := run(2, 5*time.Millisecond, newConnections(front, "/"))
			posts := newPosts(front)
			time.Sleep(time.Second)
			good.p99()

			sick := servers[1]
			sick.become(c.illness)
			began := time.Now()
			if !c.stays {
				within(t, 3*time.Second, "the server to be left alone", func() bool { return s.isLeftAlone(1) })
				if took := time.Since(began); took > time.Second {
					t.Errorf("left alone after %v, want a second at most", took)
				} else {
					t.Logf("left alone after %v", took)
				}
			}
			isIll, wasAlone, times := true, !c.stays, 1
			if c.stays {
				times = 0
			}
			for turns := time.Now(); time.Since(began) < c.lasts; time.Sleep(20 * time.Millisecond) {
				if is := s.isLeftAlone(1); is != wasAlone {
					if wasAlone = is; is {
						times++
					}
				}
				if c.flaps && time.Since(turns) > 2*time.Second {
					turns = time.Now()
					if isIll = !isIll; isIll {
						sick.become(c.illness)
					} else {
						sick.become(healthy)
					}
				}
			}
			p99 := good.p99()
			if isIll {
				sick.become(healthy)
			}
			requests := func() uint64 { return s.status().Pools[0].Servers[1].Requests }
			mended := requests()
			within(t, 20*time.Second, "the server to work again", func() bool { return requests() > mended+50 })

			failed := posts.end(t)
			asked := good.end(t) + others.end(t)
			st := s.status()
			var unheard int64
			for _, p := range servers {
				unheard += p.unheard.Load()
			}
			t.Logf("%d GETs, %d sent again, p99 %v; %d of %d POSTs failed, %d of them the server had; left alone %d times", asked, st.Exchanges.Retries, p99,
				failed, posts.asked.Load(), unheard, times)
			// Those that a killed server had read nothing of are in flight too: as many as there are clients, each time.
			if most := unheard + int64(len(posts.clients))*int64(1+times); failed > most {
				t.Errorf("%d POSTs failed, and %d were in flight at most", failed, most)
			}
			if asked < 1000 {
				t.Errorf("only %d requests", asked)
			}
			if float64(st.Exchanges.Retries) > 0.2*float64(asked) {
				t.Errorf("%d retries of %d requests are more than a fifth", st.Exchanges.Retries, asked)
			}
			if limit := 300*time.Millisecond + 100*time.Millisecond; p99 > limit {
				t.Errorf("the p99 is %v, want the time to connect and a retry at most: %v", p99, limit)
			}
			if most := 1 + int(c.lasts/(4*time.Second)); times > most {
				t.Errorf("the server was left alone %d times: it swings", times)
			}
		})
	}
}

// isLeftAlone reports whether a server gets no requests because of how it is.
func (s *subject) isLeftAlone(i int) bool {
	server := &s.status().Pools[0].Servers[i]
	return server.Health == "down" || server.EjectedUntil != nil
}

// posts are clients whose requests must not be repeated; that some fail is no error.
type posts struct {
	clients []*load
	asked   atomic.Int64
	failed  atomic.Int64
}

func newPosts(address string) *posts {
	p := &posts{}
	for range 2 {
		p.clients = append(p.clients, run(1, 5*time.Millisecond, func() func() error {
			return func() error {
				raw, err := net.Dial("tcp", address)
				if err != nil {
					return err
				}
				defer raw.Close()
				p.asked.Add(1)
				response, _, err := (&conn{Conn: raw, r: bufio.NewReader(raw)}).do("POST", "/", "x")
				if err != nil {
					return fmt.Errorf("no answer: %w", err)
				}
				if response.StatusCode != 200 {
					p.failed.Add(1)
				}
				return nil
			}
		}))
	}
	return p
}

func (p *posts) end(t *testing.T) (failed int64) {
	for _, l := range p.clients {
		l.end(t)
	}
	return p.failed.Load()
}
