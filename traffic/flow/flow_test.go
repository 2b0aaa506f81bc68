package flow

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/accesslog"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/persistence"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/traffic/transport"
)

// world is a listener whose flows go to servers of the test's own, all over loopback.
type world struct {
	t       *testing.T
	engine  *engine.Engine
	driver  *Driver
	flows   *Flows
	pool    *pool.Pool
	address *net.UDPAddr
}

// serverFunc answers a datagram; what it returns is sent back, each as one.
type serverFunc func(from netip.AddrPort, datagram []byte) [][]byte

func echo(_ netip.AddrPort, b []byte) [][]byte { return [][]byte{b} }

func saying(text string) serverFunc {
	return func(netip.AddrPort, []byte) [][]byte { return [][]byte{[]byte(text)} }
}

// both runs a test on the system's poller and on goroutines.
func both(t *testing.T, servers []serverFunc, change func(cfg *pool.Config, setup *Setup), f func(w *world)) {
	for _, portable := range []bool{false, true} {
		name := "poller"
		if portable {
			name = "goroutines"
		}
		t.Run(name, func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4)) // loops wait without telling the scheduler
			w := &world{t: t}
			e, err := engine.New(engine.Config{Loops: 2, Portable: portable, Log: t.Logf})
			if err != nil {
				t.Fatal(err)
			}
			w.engine = e
			cfg := pool.Config{Name: "servers", Loops: 2, Balance: pool.BalanceConfig{Policy: "round_robin"}, Eject: pool.EjectConfig{Off: true}}
			for _, s := range servers {
				cfg.Servers = append(cfg.Servers, pool.ServerConfig{Address: serve(t, s)})
			}
			setup := &Setup{Listener: "test", To: &site.Destination{}, Idle: time.Minute, Most: 1000}
			if change != nil {
				change(&cfg, setup)
			}
			w.pool = pool.New(cfg, nil)
			setup.To.Pool, setup.To.Transport, setup.To.Loops = w.pool, &transport.Config{}, make([]site.DestinationLoop, 2)
			w.driver = NewDriver(e, []*accesslog.Ring{accesslog.NewRing(1 << 16), accesslog.NewRing(1 << 16)})
			w.flows = w.driver.NewFlows(setup)
			ln, err := e.ListenPackets(engine.Address{IP: netip.MustParseAddrPort("127.0.0.1:0"), IsDatagram: true}, engine.ListenConfig{}, w.flows.On)
			if err != nil {
				t.Fatal(err)
			}
			w.address = net.UDPAddrFromAddrPort(ln.Address.IP)
			f(w)
			e.Each(func(l *engine.Loop) { w.driver.Cut(l.Index, nil) })
			ln.Close()
			time.Sleep(2 * sweepEvery) // the sweeps end
			e.Each(func(l *engine.Loop) {
				if open := w.driver.Stats(l.Index).Open; open != 0 || l.Stats.Open != 0 {
					t.Errorf("%d flows and %d sockets are left", open, l.Stats.Open)
				}
				for _, s := range w.pool.Set().Servers {
					if n := s.Load(l.Index).InFlight; n != 0 {
						t.Errorf("%d in flight at %s", n, s.Name)
					}
				}
			})
			e.Close()
		})
	}
}

// serve starts a server and says where; nil is an address that refuses.
func serve(t *testing.T, s serverFunc) string {
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	if s == nil {
		c.Close()
		return c.LocalAddr().String()
	}
	c.SetReadBuffer(4 << 20)
	t.Cleanup(func() { c.Close() })
	go func() {
		b := make([]byte, 64<<10)
		for {
			n, from, err := c.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			for _, answer := range s(from, b[:n]) {
				c.WriteToUDPAddrPort(answer, from)
			}
		}
	}()
	return c.LocalAddr().String()
}

func (w *world) dial() *net.UDPConn {
	w.t.Helper()
	c, err := net.DialUDP("udp", nil, w.address)
	if err != nil {
		w.t.Fatal(err)
	}
	c.SetReadBuffer(4 << 20)
	w.t.Cleanup(func() { c.Close() })
	return c
}

// ask sends a datagram and returns the answer; "" for none.
func (w *world) ask(c *net.UDPConn, text string) string {
	w.t.Helper()
	c.Write([]byte(text))
	return w.hear(c, time.Second)
}

func (w *world) hear(c *net.UDPConn, within time.Duration) string {
	w.t.Helper()
	b := make([]byte, 64<<10)
	c.SetReadDeadline(time.Now().Add(within))
	n, err := c.Read(b)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		w.t.Errorf("a client reads %v", err)
	}
	return string(b[:n])
}

func (w *world) stats() (s Stats) {
	w.engine.Each(func(l *engine.Loop) {
		mine := w.driver.Stats(l.Index)
		s.Open += mine.Open
		s.Opened += mine.Opened
		s.Withheld += mine.Withheld
		s.Received, s.Sent = s.Received+mine.Received, s.Sent+mine.Sent
		s.ReceivedPackets, s.SentPackets = s.ReceivedPackets+mine.ReceivedPackets, s.SentPackets+mine.SentPackets
		for r, n := range mine.Reasons {
			s.Reasons[r] += n
		}
	})
	return s
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for by := time.Now().Add(5 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(by) {
			t.Fatalf("not so after 5 s: %s", what)
		}
	}
}

func TestAnswersGoToWhoAsked(t *testing.T) {
	both(t, []serverFunc{echo, echo, echo}, nil, func(w *world) {
		var clients []*net.UDPConn
		for range 100 {
			clients = append(clients, w.dial())
		}
		for round := range 5 {
			for i, c := range clients {
				fmt.Fprintf(c, "%d of %d", round, i)
			}
			for i, c := range clients {
				if got, want := w.hear(c, time.Second), fmt.Sprintf("%d of %d", round, i); got != want {
					w.t.Fatalf("%q, want %q", got, want)
				}
			}
		}
		s := w.stats()
		if s.Open != 100 || s.Opened != 100 || s.ReceivedPackets != 500 || s.SentPackets != 500 || s.Sent != s.Received {
			w.t.Errorf("%+v", s)
		}
	})
}

// Datagrams of any size, many at once: what the system puts together and cuts again must be what was sent.
func TestDatagramsStayWhatTheyAre(t *testing.T) {
	both(t, []serverFunc{echo}, func(_ *pool.Config, s *Setup) { s.Amplify = 3 }, func(w *world) {
		c := w.dial()
		w.ask(c, "hello")
		for range 30 {
			var sent [][]byte
			size := 1 + rand.IntN(1400)
			for i := range 1 + rand.IntN(80) {
				if rand.IntN(8) == 0 {
					size = 1 + rand.IntN(1400)
				}
				b := bytes.Repeat([]byte{byte(i)}, size)
				sent = append(sent, b)
				c.Write(b)
			}
			var got [][]byte
			for range sent {
				got = append(got, []byte(w.hear(c, time.Second)))
			}
			if !slices.EqualFunc(got, sent, bytes.Equal) {
				w.t.Fatalf("%d datagrams came back otherwise than they went", len(sent))
			}
		}
		large := bytes.Repeat([]byte("x"), 60_000)
		if got := w.ask(c, string(large)); got != string(large) {
			w.t.Errorf("a datagram of %d bytes became %d", len(large), len(got))
		}
	})
}

func TestFlowEndsWithItsLastReply(t *testing.T) {
	two := func(_ netip.AddrPort, b []byte) [][]byte { return [][]byte{b, b} }
	both(t, []serverFunc{two}, func(_ *pool.Config, s *Setup) { s.Replies = 2 }, func(w *world) {
		c := w.dial()
		for i := range 5 {
			c.Write([]byte("a"))
			c.Write([]byte("b"))
			heard := w.hear(c, time.Second) + w.hear(c, time.Second) + w.hear(c, time.Second) + w.hear(c, time.Second)
			if heard != "aabb" && heard != "abab" && heard != "abba" {
				w.t.Errorf("%q", heard)
			}
			eventually(w.t, "the flow has ended", func() bool { s := w.stats(); return s.Open == 0 && s.Reasons[reason.Done] >= uint64(i+1) })
		}
	})
}

func TestSilentFlowEnds(t *testing.T) {
	both(t, []serverFunc{echo}, func(_ *pool.Config, s *Setup) { s.Idle = 300 * time.Millisecond }, func(w *world) {
		c := w.dial()
		for range 8 { // alive
			w.ask(c, "x")
			time.Sleep(100 * time.Millisecond)
		}
		if s := w.stats(); s.Opened != 1 || s.Open != 1 {
			w.t.Errorf("%+v", s)
		}
		eventually(w.t, "silence has ended it", func() bool { return w.stats().Reasons[reason.FlowIdle] == 1 })
	})
	both(t, []serverFunc{func(netip.AddrPort, []byte) [][]byte { return nil }}, func(_ *pool.Config, s *Setup) {
		s.Idle, s.Replies = 100*time.Millisecond, 1
	}, func(w *world) {
		w.dial().Write([]byte("x"))
		eventually(w.t, "no reply came", func() bool { return w.stats().Reasons[reason.FlowNoReply] == 1 })
		failures := uint64(0)
		w.engine.Each(func(l *engine.Loop) { failures += w.pool.Set().Servers[0].Load(l.Index).Outcomes[pool.Timeout] })
		if failures != 1 {
			w.t.Errorf("%d failures of the server", failures)
		}
	})
}

// The table is full of strangers: it stays as large as it may be, and those who have answered a reply stay in it.
func TestFloodPutsNobodyOutWhoHasAnswered(t *testing.T) {
	both(t, []serverFunc{echo}, func(_ *pool.Config, s *Setup) { s.Most = 20 }, func(w *world) {
		var old []*net.UDPConn
		for i := range 10 {
			c := w.dial()
			for range 3 {
				if w.ask(c, fmt.Sprint(i)) != fmt.Sprint(i) {
					w.t.Fatal("no answer before the flood")
				}
			}
			old = append(old, c)
		}
		for i := range 500 {
			c, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, byte(1+i/200), byte(1+i%200))}, w.address)
			if err != nil {
				w.t.Fatal(err)
			}
			c.Write([]byte("flood"))
			c.Close()
			if i%10 == 0 {
				for k, c := range old {
					if got := w.ask(c, fmt.Sprint(k)); got != fmt.Sprint(k) {
						w.t.Fatalf("after %d strangers client %d hears %q", i, k, got)
					}
				}
			}
		}
		eventually(w.t, "one flow was begun for each client", func() bool { return w.stats().Opened == 510 })
		s := w.stats()
		if s.Open > 40 || s.Reasons[reason.FlowEvicted] < 400 {
			w.t.Errorf("%d flows, %d evicted", s.Open, s.Reasons[reason.FlowEvicted])
		}
	})
}

func TestUnconfirmedClientGetsABoundedMultiple(t *testing.T) {
	flood := func(_ netip.AddrPort, b []byte) (list [][]byte) {
		for range 20 {
			list = append(list, bytes.Repeat([]byte("y"), 1000))
		}
		return list
	}
	both(t, []serverFunc{flood}, func(_ *pool.Config, s *Setup) { s.Amplify = 3 }, func(w *world) {
		c := w.dial()
		c.Write([]byte("x"))
		got := 0
		for w.hear(c, 200*time.Millisecond) != "" {
			got++
		}
		if got != 1 { // 3 x 512 bytes have room for one of 1000
			w.t.Errorf("%d datagrams for one byte", got)
		}
		if s := w.stats(); s.Withheld != 19 {
			w.t.Errorf("%d withheld", s.Withheld)
		}
		c.Write([]byte("x")) // it has had a reply, and goes on: now it is believed
		got = 0
		for w.hear(c, 200*time.Millisecond) != "" {
			got++
		}
		if got != 20 {
			w.t.Errorf("%d datagrams for a client that has answered", got)
		}
	})
}

// A DNS answer may be larger than three times 512 bytes. One that does not pass is no answer that is logged as done.
func TestALargeReplyToAQuestionPasses(t *testing.T) {
	answer := func(_ netip.AddrPort, b []byte) [][]byte {
		list := [][]byte{bytes.Repeat([]byte("y"), 60_000)}
		if string(b) == "twice" {
			list = append(list, list[0])
		}
		return list
	}
	both(t, []serverFunc{answer}, func(_ *pool.Config, s *Setup) { s.Amplify, s.Replies = 3, 1 }, func(w *world) {
		for i := range 3 {
			if got := w.ask(w.dial(), "x"); len(got) != 60_000 {
				w.t.Errorf("question %d: %d bytes", i, len(got))
			}
		}
		eventually(w.t, "the flows to be done", func() bool { return w.stats().Reasons[reason.Done] == 3 })
		if s := w.stats(); s.Withheld != 0 {
			w.t.Errorf("%+v", s)
		}
	})
	both(t, []serverFunc{answer}, func(_ *pool.Config, s *Setup) { s.Amplify, s.Replies = 3, 2 }, func(w *world) {
		c := w.dial()
		if got := w.ask(c, "twice"); len(got) != 60_000 || w.hear(c, 200*time.Millisecond) != "" {
			w.t.Errorf("%d bytes at first", len(got))
		}
		eventually(w.t, "the flow to end", func() bool { return w.stats().Reasons[reason.FlowWithheld] == 1 })
	})
}

func TestServerThatRefusesLosesItsFlows(t *testing.T) {
	both(t, []serverFunc{nil, echo}, func(cfg *pool.Config, _ *Setup) { cfg.Eject.Off = false; cfg.Eject.Consecutive = 1 }, func(w *world) {
		c := w.dial()
		eventually(w.t, "the other server answers", func() bool { c.Write([]byte("x")); return w.hear(c, 50*time.Millisecond) != "" })
		failures := uint64(0)
		w.engine.Each(func(l *engine.Loop) { failures += w.pool.Set().Servers[0].Load(l.Index).Outcomes[pool.ConnectFailed] })
		if s := w.stats(); s.Reasons[reason.FlowRefused] != failures {
			w.t.Errorf("%d refused, %d failures", s.Reasons[reason.FlowRefused], failures)
		}
	})
}

func TestClientStaysWithItsServer(t *testing.T) {
	table := persistence.NewTable(100, 60)
	both(t, []serverFunc{saying("a"), saying("b"), saying("c")}, func(_ *pool.Config, s *Setup) {
		s.Replies = 1
		s.Persistence = &site.Persistence{Persistence: persistence.New(persistence.Config{Table: table, Scope: "servers"})}
	}, func(w *world) {
		c := w.dial()
		first := w.ask(c, "x")
		for range 20 {
			if got := w.ask(w.dial(), "x"); got != first {
				w.t.Fatalf("%q after %q", got, first)
			}
		}
	})
}

func TestNoFlowBeginsWhileTheListenerGoes(t *testing.T) {
	both(t, []serverFunc{echo}, nil, func(w *world) {
		c := w.dial()
		w.ask(c, "x")
		closing := *w.flows.Setup()
		closing.Closing = true
		w.flows.Swap(&closing)
		if w.ask(c, "y") != "y" {
			w.t.Error("a flow that was there does not go on")
		}
		other := w.dial()
		other.Write([]byte("z"))
		if got := w.hear(other, 100*time.Millisecond); got != "" {
			w.t.Errorf("%q", got)
		}
	})
}

// A server that is down, disabled or mute loses its flows with the next datagram of their clients.
func TestFlowsLeaveAServerThatIsOutOfService(t *testing.T) {
	for name, out := range map[string]func(w *world, s *pool.Server){
		"down": func(w *world, s *pool.Server) { s.SetHealth(pool.Down) },
		"disabled": func(w *world, s *pool.Server) {
			w.pool.Override(s.Name, func(o *pool.Override) { o.HasState, o.State = true, pool.Disabled })
		},
	} {
		for _, replies := range []int{0, 1} {
			both(t, []serverFunc{saying("a"), saying("b")}, func(_ *pool.Config, s *Setup) { s.Replies = replies }, func(w *world) {
				c := w.dial()
				first := w.ask(c, "x")
				servers := w.pool.Set().Servers
				was := servers[0]
				if first == "b" {
					was = servers[1]
				}
				out(w, was)
				for range 4 {
					if got := w.ask(c, "x"); got == first || got == "" {
						w.t.Errorf("%s: %q after %q", name, got, first)
					}
				}
			})
		}
	}
}

func TestAClientThatGoesOnAskingIsHeardElsewhere(t *testing.T) {
	mute := func(netip.AddrPort, []byte) [][]byte { return nil }
	both(t, []serverFunc{mute, saying("b")}, func(cfg *pool.Config, s *Setup) {
		cfg.Balance.Policy = "first"
		cfg.Eject.Off, cfg.Eject.Consecutive = false, 1
		s.Replies, s.Idle = 1, 300*time.Millisecond
	}, func(w *world) {
		c := w.dial()
		for range 20 { // more often than it takes for silence to end the flow
			if c.Write([]byte("x")); w.hear(c, 100*time.Millisecond) == "b" {
				return
			}
		}
		w.t.Error("no server answers")
	})
}
