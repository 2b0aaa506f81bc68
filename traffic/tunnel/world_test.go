package tunnel

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/accesslog"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/traffic/transport"
)

// world is a listener that tunnels to servers of the test's own, all over loopback.
type world struct {
	t       *testing.T
	engine  *engine.Engine
	driver  *Driver
	way     *Way
	address string
	serving atomic.Int32 // connections that servers have
}

// serverFunc is what a server does with a connection. It closes it.
type serverFunc func(c *net.TCPConn)

type wayHandler struct {
	tunnels *Tunnels
	way     *Way
}

func (h wayHandler) Serve(c engine.Conn) { h.tunnels.Serve(c, h.way, Opened{}) }

// both runs a test on the system's poller and on goroutines.
func both(t *testing.T, servers []serverFunc, change func(cfg *pool.Config, way *Way, setup *Setup), f func(w *world)) {
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
			cfg := pool.Config{Name: "servers", Loops: 2, Balance: pool.BalanceConfig{Policy: "first"}, Eject: pool.EjectConfig{Off: true}}
			for _, s := range servers {
				cfg.Servers = append(cfg.Servers, pool.ServerConfig{Address: w.serve(s)})
			}
			w.way = &Way{Connect: time.Second, Idle: time.Minute, Retries: 2}
			setup := &Setup{Listener: "test", Protocol: accesslog.TCP, Way: w.way}
			if change != nil {
				change(&cfg, w.way, setup)
			}
			proxy := 0
			if w.way.To != nil {
				proxy = w.way.To.Proxy
			}
			w.way.To = &site.Destination{Proxy: proxy, Pool: pool.New(cfg, nil), Transport: &transport.Config{}, Loops: make([]site.DestinationLoop, 2)}
			w.driver = NewDriver(e, []*accesslog.Ring{accesslog.NewRing(1 << 16), accesslog.NewRing(1 << 16)})
			ln, err := e.Listen(engine.Address{IP: netip.MustParseAddrPort("127.0.0.1:0")}, engine.ListenConfig{}, wayHandler{w.driver.NewTunnels(setup), w.way})
			if err != nil {
				t.Fatal(err)
			}
			w.address = ln.Address.String()
			f(w)
			w.settled()
			eventually(t, "the servers have nothing left", func() bool { return w.serving.Load() == 0 })
			ln.Close()
			e.Close()
		})
	}
}

// serve starts a server and says where; nil is an address that refuses.
func (w *world) serve(s serverFunc) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	if s == nil {
		l.Close()
		return l.Addr().String()
	}
	w.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			w.serving.Add(1)
			go func() {
				defer w.serving.Add(-1)
				s(c.(*net.TCPConn))
			}()
		}
	}()
	return l.Addr().String()
}

func (w *world) dial() *net.TCPConn {
	w.t.Helper()
	c, err := net.Dial("tcp", w.address)
	if err != nil {
		w.t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return c.(*net.TCPConn)
}

// refused is a connection that weir resets, which may come before package net looks whether it is connected.
func (w *world) refused() {
	w.t.Helper()
	c, err := net.Dial("tcp", w.address)
	if err == nil {
		c.SetDeadline(time.Now().Add(10 * time.Second))
		_, err = c.Read(make([]byte, 1))
		c.Close()
	}
	if !isReset(err) {
		w.t.Errorf("a client that weir has nothing for gets %v", err)
	}
}

// stats sums over the loops.
func (w *world) stats() (s Stats) {
	w.engine.Each(func(l *engine.Loop) {
		mine := w.driver.Stats(l.Index)
		s.Open += mine.Open
		s.Accepted += mine.Accepted
		s.Refused += mine.Refused
		s.Received += mine.Received
		s.Sent += mine.Sent
		s.Retries += mine.Retries
		for r, n := range mine.Reasons {
			s.Reasons[r] += n
		}
	})
	return s
}

// settled waits until every tunnel is gone, and everything that it held.
func (w *world) settled() {
	w.t.Helper()
	eventually(w.t, "no tunnel is open, and none holds anything", func() bool {
		open, buffers, inFlight := w.stats().Open, 0, int32(0)
		w.engine.Each(func(l *engine.Loop) {
			buffers += l.BuffersOut()
			for _, s := range w.way.To.Pool.Set().Servers {
				inFlight += s.Load(l.Index).InFlight
			}
		})
		return open == 0 && buffers == 0 && inFlight == 0
	})
}

// want waits until that many tunnels have ended for a reason.
func (w *world) want(n uint64, why reason.Reason) {
	w.t.Helper()
	eventually(w.t, why.String(), func() bool { return w.stats().Reasons[why] == n })
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for by := time.Now().Add(5 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(by) {
			t.Fatalf("not so after 5 s: %s", what)
		}
	}
}

func reset(c *net.TCPConn) {
	c.SetLinger(0)
	c.Close()
}

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func echo(c *net.TCPConn) {
	defer c.Close()
	io.Copy(c, c)
	c.CloseWrite()
}

// saying answers everything with a text and ends.
func saying(text string) serverFunc {
	return func(c *net.TCPConn) {
		defer c.Close()
		io.WriteString(c, text)
		c.CloseWrite()
		io.Copy(io.Discard, c)
	}
}

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	var b strings.Builder
	if _, err := io.Copy(&b, r); err != nil {
		t.Errorf("after %q: %v", b.String(), err)
	}
	return b.String()
}
