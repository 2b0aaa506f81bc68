package tunnel

import (
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/accesslog"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/test/memory"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/traffic/transport"
)

// event is something that happens to a tunnel.
type event struct {
	name string
	does func(p *players)
}

// players are a tunnel's client and server, the network between weir and the servers, and the operator.
type players struct {
	driver *Driver
	loop   *engine.Loop
	client *end

	mu       sync.Mutex
	server   *end // the last; nil: there was none
	connects func() error
}

// end is a peer's end of a connection. It is read from until it turns deaf.
type end struct {
	*memory.Conn
	deaf chan struct{}
	once sync.Once
}

func newEnd(c *memory.Conn) *end {
	e := &end{Conn: c, deaf: make(chan struct{})}
	go func() {
		for b := make([]byte, 4<<10); ; {
			select {
			case <-e.deaf:
				return
			default:
			}
			if _, err := c.Read(b); err != nil {
				return
			}
		}
	}()
	return e
}

func (e *end) send(n int) {
	e.SetWriteDeadline(time.Now().Add(10 * time.Millisecond)) // a walk goes on in any case
	e.Write(make([]byte, n))
}

func (p *players) dial(engine.Address, time.Duration) (net.Conn, error) {
	p.mu.Lock()
	connects := p.connects
	p.mu.Unlock()
	if err := connects(); err != nil {
		return nil, err
	}
	ours, theirs := memory.NewConn()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.server = newEnd(theirs)
	return ours, nil
}

func connecting(err error, after time.Duration) func(*players) {
	return func(p *players) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.connects = func() error {
			time.Sleep(after)
			return err
		}
	}
}

// network events come before the client does, others after it.
func network() []event {
	return []event{
		{"servers accept", connecting(nil, 0)},
		{"servers accept slowly", connecting(nil, 500*time.Millisecond)},
		{"servers refuse", connecting(errors.New("connect: connection refused"), 0)},
		{"servers do not answer", connecting(os.ErrDeadlineExceeded, time.Second)},
	}
}

func events() (list []event) {
	for _, d := range []struct {
		name string
		does func(*end)
	}{
		{"sends", func(e *end) { e.send(10) }},
		{"sends much", func(e *end) { e.send(300_000) }},
		{"is deaf", func(e *end) { e.once.Do(func() { close(e.deaf) }) }},
		{"finishes", func(e *end) { e.CloseWrite() }},
		{"closes", func(e *end) { e.Close() }},
		{"resets", func(e *end) { e.SetLinger(0); e.Close() }},
	} {
		list = append(list, event{"client " + d.name, func(p *players) { d.does(p.client) }}, event{"server " + d.name, func(p *players) {
			p.mu.Lock()
			s := p.server
			p.mu.Unlock()
			if s != nil {
				d.does(s)
			}
		}})
	}
	return append(list,
		event{"a second", func(*players) { time.Sleep(time.Second) }},
		event{"a minute", func(*players) { time.Sleep(61 * time.Second) }},
		event{"the operator cuts", func(p *players) { p.loop.Call(func() { p.driver.Cut(0, nil) }) }})
}

// walk has the events happen one after the other. Whatever they are, weir's own code may not panic; a tunnel ends once both of its ends are silent, and nothing is left of it.
func walk(t *testing.T, before event, events []event) {
	synctest.Test(t, func(t *testing.T) {
		p := &players{}
		before.does(p)
		e, err := engine.New(engine.Config{Loops: 1, Portable: true, Log: t.Logf, Dial: p.dial})
		if err != nil {
			t.Fatal(err)
		}
		p.loop = e.Loops()[0]
		way := &Way{Connect: time.Second, Idle: time.Minute, HalfClosed: 30 * time.Second, Lifetime: time.Hour, Retries: 1}
		servers := pool.New(pool.Config{Name: "servers", Loops: 1, Servers: []pool.ServerConfig{{Address: "10.0.0.1:1"}, {Address: "10.0.0.2:1"}}}, nil)
		way.To = &site.Destination{Pool: servers, Transport: &transport.Config{}, Loops: make([]site.DestinationLoop, 1)}
		p.driver = NewDriver(e, []*accesslog.Ring{accesslog.NewRing(1 << 16)})
		tunnels := p.driver.NewTunnels(&Setup{Listener: "test", Protocol: accesslog.TCP, Way: way})
		ours, theirs := memory.NewConn()
		p.client = newEnd(theirs)
		e.ServeConn(ours, p.loop, wayHandler{tunnels, way})
		synctest.Wait()
		names := []string{before.name}
		for _, ev := range events {
			names = append(names, ev.name)
			ev.does(p)
			synctest.Wait()
		}
		time.Sleep(5 * time.Minute)
		p.loop.Call(func() {
			st := p.driver.Stats(0)
			var inFlight, failures int
			for _, s := range servers.Set().Servers {
				inFlight += int(s.Load(0).InFlight)
				for o, n := range s.Load(0).Outcomes {
					if pool.Outcome(o).IsFailure() {
						failures += int(n)
					}
				}
			}
			if p.loop.Stats.Panics != 0 || st.Reasons[reason.Panicked] != 0 || st.Open != 0 || inFlight != 0 || p.loop.Stats.Open != 0 || p.loop.BuffersOut() != 0 || p.loop.Held() != 0 {
				t.Errorf("%d panics, %d tunnels, %d in flight, %d connections, %d buffers and %d bytes after %s", p.loop.Stats.Panics, st.Open, inFlight, p.loop.Stats.Open, p.loop.BuffersOut(), p.loop.Held(),
					strings.Join(names, ", "))
			}
			if failures > 0 && strings.HasPrefix(before.name, "servers accept") && !strings.Contains(strings.Join(names[1:], " "), "server") {
				t.Errorf("servers are blamed after %s", strings.Join(names, ", "))
			}
		})
		p.client.Close()
		if p.server != nil {
			p.server.Close()
		}
		synctest.Wait()
		e.Close()
	})
}

func TestEveryEventInEveryState(t *testing.T) {
	all := events()
	r := rand.New(rand.NewPCG(1, 2))
	for _, before := range network() {
		for _, first := range all {
			for _, second := range all {
				walk(t, before, []event{first, second})
			}
		}
		for range 500 {
			var some []event
			for range 3 + r.IntN(6) {
				some = append(some, all[r.IntN(len(all))])
			}
			walk(t, before, some)
		}
	}
}
