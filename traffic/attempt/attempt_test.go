package attempt

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/traffic/transport"
)

// eachEngine runs a test on loops and on goroutines.
func eachEngine(t *testing.T, loops int, f func(t *testing.T, e *engine.Engine)) {
	for name, portable := range map[string]bool{"poller": false, "goroutines": true} {
		t.Run(name, func(t *testing.T) {
			e, err := engine.New(engine.Config{Loops: loops, Portable: portable, Log: t.Logf})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			f(t, e)
		})
	}
}

type runnerFunc func()

func (f runnerFunc) Run() { f() }

// onLoop runs f as a coroutine of the loop and waits for its end.
func onLoop(l *engine.Loop, f func()) {
	var done sync.WaitGroup
	done.Add(1)
	l.Call(func() {
		l.Go(runnerFunc(func() {
			defer done.Done()
			f()
		}))
	})
	done.Wait()
}

// job is work that needs a server of the pool.
type job struct {
	Place
	loop *engine.Loop
	pool *pool.Pool
	left atomic.Bool
}

func (j *job) Admit(queued bool) (*pool.Server, pool.Reason) {
	return j.pool.Admit(j.loop.Index, j.loop.Now(), 0, nil, queued, &j.Held)
}

func (j *job) HasLeft() bool { return j.left.Load() }

// get gets a server as exchanges do: at once, or by a wait.
func (j *job) get(client netip.Addr) (*pool.Server, pool.Reason) {
	s, why := j.Admit(false)
	if why == pool.Full {
		s, why = j.Queue(j.loop, j.pool, client, pool.Default, 0, j)
	}
	return s, why
}

func (j *job) end(s *pool.Server) {
	j.pool.End(s, j.loop.Index, j.loop.Now(), 1000, pool.OK)
	j.Settle(j.loop, j.pool, s)
}

var someone = netip.MustParseAddr("192.0.2.1")

func newPool(loops int, limits pool.LimitConfig, queue pool.QueueConfig, servers ...pool.ServerConfig) *pool.Pool {
	limits.AdaptiveOff = true
	return pool.New(pool.Config{Name: "servers", Loops: loops, Balance: pool.BalanceConfig{Policy: "least_requests"}, Eject: pool.EjectConfig{Off: true}, Limits: limits, Queue: queue, Servers: servers}, nil)
}

// Many on several loops, of many clients, some of which leave: no limit is exceeded, everybody who stays is served, and nothing is held at the end.
func TestAllThatWaitGetTheirTurnUnderTheLimits(t *testing.T) {
	const loops, workers, rounds, perServer, together = 3, 60, 10, 2, 3
	eachEngine(t, loops, func(t *testing.T, e *engine.Engine) {
		p := newPool(loops, pool.LimitConfig{Requests: together}, pool.QueueConfig{Length: workers, Wait: 20_000},
			pool.ServerConfig{Address: "127.0.0.1:1", MaxRequests: perServer}, pool.ServerConfig{Address: "127.0.0.1:2", MaxRequests: perServer})
		var inFlight, served, left atomic.Int64
		var perOne [2]atomic.Int64
		work := func(j *job, client netip.Addr, hold time.Duration) {
			s, why := j.get(client)
			switch {
			case why == pool.Left && j.left.Load():
				left.Add(1)
				return
			case s == nil:
				t.Errorf("%v", why)
				return
			}
			at := &perOne[0]
			if s == p.Set().Servers[1] {
				at = &perOne[1]
			}
			if n, m := inFlight.Add(1), at.Add(1); n > together || m > perServer {
				t.Errorf("%d in flight, %d of them at %s", n, m, s.Name)
			}
			j.loop.Sleep(hold)
			inFlight.Add(-1)
			at.Add(-1)
			j.end(s)
			served.Add(1)
		}
		var all sync.WaitGroup
		for i := range workers {
			l := e.Loops()[i%loops]
			all.Go(func() {
				onLoop(l, func() {
					for r := range rounds {
						j := &job{loop: l, pool: p}
						j.left.Store((i+r)%7 == 0)
						work(j, netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), time.Duration(rand.IntN(3))*time.Millisecond)
					}
				})
			})
		}
		all.Wait()
		if n := served.Load() + left.Load(); n != workers*rounds || served.Load() < workers*rounds*6/7-workers {
			t.Errorf("%d were served and %d left, of %d", served.Load(), left.Load(), workers*rounds)
		}
		l := e.Loops()[0]
		onLoop(l, func() { // everything is free again
			for i := range together {
				j := &job{loop: l, pool: p}
				s, why := j.Admit(false)
				if s == nil {
					t.Errorf("place %d is not free: %v", i, why)
					return
				}
				defer j.end(s)
			}
		})
	})
}

// How a wait may end besides with a server, while another holds the only place.
func TestAWaitSaysWhyItEnds(t *testing.T) {
	for name, c := range map[string]struct {
		queue pool.QueueConfig
		full  bool  // of another that waits
		by    int64 // ms from now
		left  bool
		want  pool.Reason
		most  time.Duration
	}{
		"no queue":                    {queue: pool.QueueConfig{Off: true}, want: pool.Full, most: 50 * time.Millisecond},
		"the queue's wait":            {queue: pool.QueueConfig{Length: 1, Wait: 100}, want: pool.WaitedTooLong, most: time.Second},
		"the request's own deadline":  {queue: pool.QueueConfig{Length: 1, Wait: 60_000}, by: 50, want: pool.WaitedTooLong, most: time.Second},
		"the client leaves":           {queue: pool.QueueConfig{Length: 1, Wait: 60_000}, left: true, want: pool.Left, most: 10 * lookEvery},
		"the queue is as long as may": {queue: pool.QueueConfig{Length: 1, Wait: 60_000}, full: true, want: pool.Full, most: 50 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			eachEngine(t, 1, func(t *testing.T, e *engine.Engine) {
				l := e.Loops()[0]
				p := newPool(1, pool.LimitConfig{Requests: 1}, c.queue, pool.ServerConfig{Address: "127.0.0.1:1"})
				onLoop(l, func() {
					holder := &job{loop: l, pool: p}
					held, _ := holder.Admit(false)
					var other job
					if c.full { // somebody waits already, of the same client
						l.Go(runnerFunc(func() {
							other.loop, other.pool = l, p
							if s, _ := other.get(someone); s != nil {
								other.end(s)
							}
						}))
						for !other.waiting {
							l.Sleep(time.Millisecond)
						}
					}
					j := &job{loop: l, pool: p}
					j.left.Store(c.left)
					by := int64(0)
					if c.by != 0 {
						by = l.Now() + c.by
					}
					began := l.Now()
					s, why := j.Queue(l, p, someone, pool.Default, by, j)
					if took := time.Duration(l.Now()-began) * time.Millisecond; s != nil || why != c.want || took > c.most {
						t.Errorf("%v after %v, want %v within %v", why, took, c.want, c.most)
					}
					holder.end(held)
					l.Sleep(10 * time.Millisecond)
					if s, why := j.Admit(false); s == nil {
						t.Errorf("the place is lost: %v", why)
					} else {
						j.end(s)
					}
				})
			})
		})
	}
}

// A panic of what waits must not leave its place in the line.
func TestLeaveEndsAWaitThatAPanicHasLeft(t *testing.T) {
	eachEngine(t, 1, func(t *testing.T, e *engine.Engine) {
		l := e.Loops()[0]
		p := newPool(1, pool.LimitConfig{Requests: 1}, pool.QueueConfig{Length: 1, Wait: 60_000}, pool.ServerConfig{Address: "127.0.0.1:1"})
		onLoop(l, func() {
			holder := &job{loop: l, pool: p}
			held, _ := holder.Admit(false)
			broken := &panicking{job{loop: l, pool: p}}
			func() {
				defer func() {
					recover()
					broken.Leave(p)
					broken.Leave(p) // a second time does nothing
				}()
				broken.Queue(l, p, someone, pool.Default, 0, broken)
			}()
			holder.end(held)
			next := &job{loop: l, pool: p}
			if s, why := next.get(someone); s == nil {
				t.Errorf("the next waits for one that is gone: %v", why)
			} else {
				next.end(s)
			}
		})
	})
}

type panicking struct{ job }

func (*panicking) HasLeft() bool { panic("the asker's fault") }

// accepting is a server that takes connections and counts them.
func accepting(t *testing.T) (address string, taken func() int64) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	var n atomic.Int64
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			n.Add(1)
			t.Cleanup(func() { c.Close() })
		}
	}()
	return ln.Addr().String(), n.Load
}

// A server with one connection: whoever needs it on another loop gets it moved, or another in its place.
func TestTheOnlyConnectionGoesWhereItIsNeeded(t *testing.T) {
	for _, reuse := range []bool{true, false} {
		eachEngine(t, 2, func(t *testing.T, e *engine.Engine) {
			address, taken := accepting(t)
			p := newPool(2, pool.LimitConfig{}, pool.QueueConfig{Length: 10, Wait: 1000}, pool.ServerConfig{Address: address, MaxConnections: 1})
			for i := range 6 {
				l := e.Loops()[i%2]
				onLoop(l, func() {
					j := &job{loop: l, pool: p}
					s, why := j.Admit(false)
					if s == nil {
						t.Errorf("turn %d: %v", i, why)
						return
					}
					d := Dialing(s, time.Second, &j.Held)
					d.Reuse = reuse
					c, err := Dial(l, s, &transport.Config{}, d)
					if err != nil {
						t.Errorf("turn %d: %v", i, err)
					} else {
						c.Keep(&transport.Config{})
					}
					j.end(s)
				})
			}
			for _, s := range p.Set().Servers {
				for _, l := range e.Loops() {
					l.Call(func() { CloseIdle(s.Load(l.Index)) })
				}
			}
			if n := taken(); reuse && n > 6 || !reuse && n < 2 {
				t.Errorf("reuse %v: %d connections", reuse, n)
			}
		})
	}
}

func TestFailuresAreTold(t *testing.T) {
	for err, want := range map[error]struct {
		why     reason.Reason
		outcome pool.Outcome
	}{
		engine.ErrInterrupted:                    {reason.ClientGone, pool.Cancelled},
		fmt.Errorf("x: %w", engine.ErrTimeout):   {reason.ConnectTimeout, pool.ConnectFailed},
		&transport.TLSError{}:                    {reason.ConnectTLS, pool.ConnectFailed},
		transport.ErrLimit:                       {reason.ConnectLimit, pool.Cancelled},
		transport.ErrPorts:                       {reason.ConnectLimit, pool.Cancelled},
		fmt.Errorf("socket: %w", syscall.EMFILE): {reason.ConnectLimit, pool.Cancelled}, // weir's own lack is no fault of the server
		fmt.Errorf("socket: %w", syscall.ENFILE): {reason.ConnectLimit, pool.Cancelled},
		syscall.ECONNREFUSED:                     {reason.ConnectRefused, pool.ConnectFailed},
		errors.New("something else"):             {reason.ConnectRefused, pool.ConnectFailed},
	} {
		if why, outcome := Failure(err); why != want.why || outcome != want.outcome {
			t.Errorf("%v: %v, %v", err, why, outcome)
		}
	}
	for why, want := range map[pool.Reason]reason.Reason{pool.NoServers: reason.PoolEmpty, pool.NotResolved: reason.PoolUnresolved, pool.AllDown: reason.PoolDown, pool.AllTried: reason.PoolDown,
		pool.Full: reason.PoolFull, pool.Shed: reason.Shed, pool.WaitedTooLong: reason.QueueTimeout, pool.Left: reason.ClientGone, pool.NotCaptured: reason.NotCaptured} {
		if got := NoServer(why); got != want {
			t.Errorf("%v: %v", why, got)
		}
	}
}

// A pool that is only full is not helped by sending its work elsewhere.
func TestOnlyAPoolWithoutServersFallsBack(t *testing.T) {
	with, without := &site.Destination{Fallback: &site.Destination{}}, &site.Destination{}
	for why := pool.Picked; why <= pool.NotCaptured; why++ {
		want := why == pool.NoServers || why == pool.NotResolved || why == pool.AllDown
		if FallsBack(with, why) != want || FallsBack(without, why) {
			t.Errorf("%v", why)
		}
	}
}

func TestEndingMeansItsServersAndItsClient(t *testing.T) {
	one, two := &pool.Server{}, &pool.Server{}
	other := netip.MustParseAddr("192.0.2.2")
	for _, c := range []struct {
		ending Ending
		server *pool.Server
		client netip.Addr
		want   bool
	}{
		{Ending{}, one, someone, true},
		{Ending{}, nil, someone, true},
		{Ending{Servers: []*pool.Server{one}}, one, someone, true},
		{Ending{Servers: []*pool.Server{one}}, two, someone, false},
		{Ending{Servers: []*pool.Server{one}}, nil, someone, false},
		{Ending{Client: someone}, nil, someone, true},
		{Ending{Client: someone}, one, other, false},
		{Ending{Client: someone}, one, netip.MustParseAddr("::ffff:192.0.2.1"), true},
		{Ending{Servers: []*pool.Server{one}, Client: someone}, one, other, false},
	} {
		if got := c.ending.Means(c.server, c.client); got != c.want {
			t.Errorf("%+v, %v: %v", c.ending, c.client, got)
		}
	}
}
