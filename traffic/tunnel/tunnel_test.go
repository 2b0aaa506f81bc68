package tunnel

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/telemetry/reason"
	"github.com/weir-proxy/weir/traffic/persistence"
	"github.com/weir-proxy/weir/traffic/pool"
	"github.com/weir-proxy/weir/traffic/site"
	"github.com/weir-proxy/weir/wire/proxyproto"
)

func TestHalfClosedPeerStillGetsItsAnswer(t *testing.T) {
	t.Run("the client ends first", func(t *testing.T) {
		both(t, []serverFunc{func(c *net.TCPConn) {
			defer c.Close()
			b, _ := io.ReadAll(c)
			time.Sleep(20 * time.Millisecond)
			c.Write(append([]byte("got "), b...))
		}}, nil, func(w *world) {
			t := w.t
			c := w.dial()
			io.WriteString(c, "question")
			c.CloseWrite()
			if got := readAll(t, c); got != "got question" {
				t.Errorf("%q", got)
			}
			c.Close()
			w.want(1, reason.Done)
			if s := w.stats(); s.Received != 8 || s.Sent != 12 {
				t.Errorf("%d bytes from the client, %d to it", s.Received, s.Sent)
			}
		})
	})
	t.Run("the server ends first", func(t *testing.T) {
		heard := make(chan string, 2)
		both(t, []serverFunc{func(c *net.TCPConn) {
			defer c.Close()
			io.WriteString(c, "welcome")
			c.CloseWrite()
			b, _ := io.ReadAll(c)
			heard <- string(b)
		}}, nil, func(w *world) {
			t := w.t
			c := w.dial()
			if got := readAll(t, c); got != "welcome" {
				t.Errorf("%q", got)
			}
			time.Sleep(20 * time.Millisecond)
			io.WriteString(c, "still here")
			c.Close()
			if got := <-heard; got != "still here" {
				t.Errorf("%q", got)
			}
			w.want(1, reason.Done)
		})
	})
}

// A reset is a reset at the other end, in every state of the tunnel.
func TestResetGoesOnAsReset(t *testing.T) {
	for name, state := range map[string]struct{ halfClosedByClient, halfClosedByServer bool }{
		"open": {}, "after the client's end": {halfClosedByClient: true}, "after the server's end": {halfClosedByServer: true},
	} {
		for _, byClient := range []bool{true, false} {
			who := map[bool]string{true: "client", false: "server"}[byClient]
			t.Run(name+" by the "+who, func(t *testing.T) {
				servers := make(chan *net.TCPConn, 1)
				both(t, []serverFunc{func(c *net.TCPConn) { servers <- c }}, nil, func(w *world) {
					t := w.t
					client := w.dial()
					io.WriteString(client, "a")
					server := <-servers
					server.SetDeadline(time.Now().Add(5 * time.Second))
					io.ReadFull(server, make([]byte, 1))
					if state.halfClosedByClient {
						client.CloseWrite()
						readAll(t, server)
					}
					if state.halfClosedByServer {
						server.CloseWrite()
						readAll(t, client)
					}
					by, to, why := client, server, reason.TunnelClientReset
					if !byClient {
						by, to, why = server, client, reason.TunnelServerReset
					}
					reset(by)
					hears := byClient && !state.halfClosedByClient || !byClient && !state.halfClosedByServer
					if hears {
						_, err := to.Read(make([]byte, 1))
						if !isReset(err) {
							t.Errorf("the other end reads %v", err)
						}
					} else {
						// It has read the end already: it finds out when it writes, or here when its own end is closed.
						var err error
						for range 200 {
							if _, err = to.Write([]byte("x")); err != nil {
								break
							}
							time.Sleep(5 * time.Millisecond)
						}
						if !isReset(err) {
							t.Errorf("the other end writes on: %v", err)
						}
					}
					to.Close()
					w.want(1, why)
				})
			})
		}
	}
}

func TestBytesArriveAsTheyWere(t *testing.T) {
	both(t, []serverFunc{echo}, nil, func(w *world) {
		t := w.t
		sent := make([]byte, 8<<20)
		for i := range sent {
			sent[i] = byte(rand.Uint32())
		}
		c := w.dial()
		go func() {
			for rest := sent; len(rest) > 0; {
				n := min(len(rest), 1+rand.IntN(100_000))
				c.Write(rest[:n])
				rest = rest[n:]
				if rand.IntN(4) == 0 {
					time.Sleep(time.Millisecond)
				}
			}
			c.CloseWrite()
		}()
		got, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%d of %d bytes, %v", len(got), len(sent), err)
		}
		c.Close()
	})
}

// What DESIGN promises of an idle tunnel: no coroutine, no buffer, whatever moved before.
func TestIdleTunnelHoldsNothing(t *testing.T) {
	both(t, []serverFunc{echo}, nil, func(w *world) {
		t := w.t
		var clients []*net.TCPConn
		for i := range 50 {
			c := w.dial()
			size := []int{1, engine.Buffer16K, 300_000}[i%3]
			go c.Write(make([]byte, size))
			io.ReadFull(c, make([]byte, size))
			clients = append(clients, c)
		}
		eventually(t, "idle tunnels hold no buffer", func() bool {
			out := 0
			w.engine.Each(func(l *engine.Loop) { out += l.BuffersOut() })
			return out == 0
		})
		if n := w.stats().Open; n != 50 {
			t.Errorf("%d tunnels are open", n)
		}
		for _, c := range clients {
			c.Close()
		}
	})
}

// wantReset reads until the connection is reset: an orderly end would make what has come look whole.
func wantReset(t *testing.T, c net.Conn) {
	t.Helper()
	if n, err := io.Copy(io.Discard, c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%d bytes, %v, want a reset", n, err)
	}
}

func TestSilenceAndAgeEndATunnel(t *testing.T) {
	both(t, []serverFunc{echo}, func(_ *pool.Config, way *Way, _ *Setup) { way.Idle = 200 * time.Millisecond }, func(w *world) {
		t := w.t
		c := w.dial()
		for range 6 { // alive in one direction at a time
			time.Sleep(60 * time.Millisecond)
			io.WriteString(c, "x")
			io.ReadFull(c, make([]byte, 1))
		}
		began := time.Now()
		wantReset(t, c)
		if took := time.Since(began); took < 150*time.Millisecond || took > time.Second {
			t.Errorf("ended after %v", took)
		}
		c.Close()
		w.want(1, reason.TunnelIdle)
	})
	silent := func(c *net.TCPConn) { defer c.Close(); io.Copy(io.Discard, c); time.Sleep(5 * time.Second) } // the collector closes a connection that nobody has
	both(t, []serverFunc{silent}, func(_ *pool.Config, way *Way, _ *Setup) { way.HalfClosed = 200 * time.Millisecond }, func(w *world) {
		t := w.t
		c, began := w.dial(), time.Now()
		io.WriteString(c, "x")
		time.Sleep(300 * time.Millisecond) // both ends are open: it is no limit yet
		c.CloseWrite()
		wantReset(t, c)
		if took := time.Since(began); took < 450*time.Millisecond || took > 2*time.Second {
			t.Errorf("a half-closed tunnel ended after %v", took)
		}
		c.Close()
	})
	both(t, []serverFunc{echo}, func(_ *pool.Config, way *Way, _ *Setup) { way.Lifetime = 300 * time.Millisecond }, func(w *world) {
		t := w.t
		c, began := w.dial(), time.Now()
		var err error
		for err == nil {
			io.WriteString(c, "x")
			_, err = io.ReadFull(c, make([]byte, 1))
			time.Sleep(10 * time.Millisecond)
		}
		if took := time.Since(began); took < 250*time.Millisecond || took > 3*time.Second {
			t.Errorf("ended after %v", took)
		}
		c.Close()
	})
}

func TestServerThatCannotBeReachedIsPassedOver(t *testing.T) {
	both(t, []serverFunc{nil, nil, saying("third")}, nil, func(w *world) {
		t := w.t
		c := w.dial()
		if got := readAll(t, c); got != "third" {
			t.Errorf("%q", got)
		}
		c.Close()
		if s := w.stats(); s.Retries != 2 {
			t.Errorf("%d retries", s.Retries)
		}
	})
	both(t, []serverFunc{nil}, nil, func(w *world) {
		w.refused()
		w.want(1, reason.ConnectRefused)
	})
}

func TestClientsWaitForRoom(t *testing.T) {
	both(t, []serverFunc{echo}, func(cfg *pool.Config, _ *Way, _ *Setup) {
		cfg.Servers[0].MaxRequests = 2
		cfg.Queue.Wait = 3000
	}, func(w *world) {
		t := w.t
		a, b := w.dial(), w.dial()
		for _, x := range []*net.TCPConn{a, b} {
			io.WriteString(x, "x")
			io.ReadFull(x, make([]byte, 1))
		}
		c := w.dial()
		io.WriteString(c, "waits")
		c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil {
			t.Error("a third connection got through")
		}
		a.Close()
		c.SetReadDeadline(time.Now().Add(3 * time.Second))
		if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
			t.Errorf("room was made, and %v", err)
		}
		b.Close()
		c.Close()
	})
	both(t, []serverFunc{echo}, func(cfg *pool.Config, _ *Way, _ *Setup) {
		cfg.Servers[0].MaxRequests = 1
		cfg.Queue.Wait = 100
	}, func(w *world) {
		a := w.dial()
		io.WriteString(a, "x")
		io.ReadFull(a, make([]byte, 1))
		w.refused()
		w.want(1, reason.QueueTimeout)
		a.Close()
	})
}

func TestListenerHasARoomOfItsOwn(t *testing.T) {
	both(t, []serverFunc{echo}, func(_ *pool.Config, _ *Way, s *Setup) { s.MaxClients = 1 }, func(w *world) {
		t := w.t
		var open []net.Conn
		for range 10 {
			if c, err := net.Dial("tcp", w.address); err == nil {
				open = append(open, c)
			} else if !isReset(err) {
				t.Error(err)
			}
		}
		eventually(t, "all but one of each loop are refused", func() bool { s := w.stats(); return s.Accepted == 10 && s.Open <= 2 })
		for _, c := range open {
			c.Close()
		}
		if s := w.stats(); s.Refused != s.Reasons[reason.ListenerFull] || s.Refused < 8 {
			t.Errorf("%d refused", s.Refused)
		}
	})
}

func TestClientStaysWithItsServer(t *testing.T) {
	table := persistence.NewTable(100, 60)
	both(t, []serverFunc{saying("a"), saying("b"), saying("c")}, func(cfg *pool.Config, way *Way, _ *Setup) {
		cfg.Balance.Policy = "round_robin"
		way.Persistence = &site.Persistence{Persistence: persistence.New(persistence.Config{Table: table, Scope: "servers"})}
	}, func(w *world) {
		t := w.t
		first := ""
		for i := range 12 {
			c := w.dial()
			got := readAll(t, c)
			c.Close()
			if i == 0 {
				first = got
			} else if got != first {
				t.Fatalf("connection %d went to %s, the first to %s", i, got, first)
			}
			w.want(uint64(i+1), reason.Done)
		}
		for _, s := range w.way.To.Pool.Set().Servers {
			s.SetHealth(pool.Down)
		}
		other := w.way.To.Pool.Set().Servers[1]
		if first == "b" {
			other = w.way.To.Pool.Set().Servers[2]
		}
		other.SetHealth(pool.Up)
		c := w.dial()
		if got := readAll(t, c); got == first || got == "" {
			t.Errorf("its server is down, and it got %q", got)
		}
		c.Close()
	})
}

func TestServerIsToldWhoTheClientIs(t *testing.T) {
	for version := 1; version <= 2; version++ {
		headers := make(chan proxyproto.Header, 1)
		both(t, []serverFunc{func(c *net.TCPConn) {
			defer c.Close()
			b := make([]byte, 200)
			n, _ := io.ReadAtLeast(c, b, 28)
			h, size, err := proxyproto.Parse(b[:n])
			if err != nil || size == 0 {
				t.Errorf("%q: %v", b[:n], err)
			}
			headers <- h
			io.Copy(io.Discard, c)
		}}, func(_ *pool.Config, way *Way, _ *Setup) { way.To = &site.Destination{Proxy: version} }, func(w *world) {
			t := w.t
			c := w.dial()
			h := <-headers
			if h.Version != version || h.Source.String() != c.LocalAddr().String() || h.Destination.String() != c.RemoteAddr().String() {
				t.Errorf("%+v for %v to %v", h, c.LocalAddr(), c.RemoteAddr())
			}
			c.Close()
		})
	}
}

func TestCutTunnelsAreResetAndLogged(t *testing.T) {
	both(t, []serverFunc{func(c *net.TCPConn) {
		if _, err := io.Copy(io.Discard, c); !isReset(err) {
			t.Errorf("the server reads %v", err)
		}
		c.Close()
	}}, nil, func(w *world) {
		t := w.t
		var open []*net.TCPConn
		for range 20 {
			c := w.dial()
			io.WriteString(c, "x")
			open = append(open, c)
		}
		eventually(t, "all stand", func() bool { return w.stats().Received == 20 })
		w.engine.Each(func(l *engine.Loop) { w.driver.Cut(l.Index, nil) })
		for _, c := range open {
			if _, err := c.Read(make([]byte, 1)); !isReset(err) {
				t.Errorf("a client reads %v", err)
			}
			c.Close()
		}
		w.want(20, reason.Stopping)
	})
}

type relaying struct{}

func (relaying) Serve(c engine.Conn) {
	to, err := c.Loop().Dial(engine.Address{}, engine.DialOptions{})
	if err != nil {
		panic(err)
	}
	Relay(c, to, time.Minute)
}

func TestPeerThatDoesNotReadEndsTheTunnelRatherThanLoseBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, far := net.Pipe()
		e, err := engine.New(engine.Config{Loops: 1, Portable: true, Log: t.Logf,
			Dial: func(engine.Address, time.Duration) (net.Conn, error) { return server, nil }})
		if err != nil {
			t.Fatal(err)
		}
		client, near := net.Pipe()
		e.ServeConn(near, e.Loops()[0], relaying{})
		go io.WriteString(client, "first") // far does not read it
		go func() {                        // while the way back is alive
			for range 20 {
				io.WriteString(far, "x")
				time.Sleep(10 * time.Second)
			}
		}()
		go io.Copy(io.Discard, client)
		time.Sleep(2 * time.Minute)
		go io.WriteString(client, "second")
		got, _ := io.ReadAll(far)
		if len(got) > 0 {
			t.Errorf("got %q behind bytes that were dropped", got)
		}
		far.Close()
		time.Sleep(time.Hour)
		e.Close()
	})
}
