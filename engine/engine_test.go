package engine

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// both runs a test on the system's poller, with sends that leave together and one by one, and on goroutines: the contract is one.
func both(t *testing.T, f func(t *testing.T, e *Engine)) {
	for name, config := range map[string]Config{"poller": {}, "single sends": {SingleSends: true}, "goroutines": {Portable: true}} {
		t.Run(name, func(t *testing.T) {
			var log lines
			config.Loops, config.Log = 2, log.add
			e, err := New(config)
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			t.Cleanup(func() {
				if t.Failed() {
					t.Log(log.text())
				}
			})
			f(t, e)
		})
	}
}

type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) add(format string, args ...any) {
	l.mu.Lock()
	l.all = append(l.all, format)
	l.mu.Unlock()
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.all, "\n")
}

type handlerFunc func(c Conn)

func (f handlerFunc) Serve(c Conn) { f(c) }

type runnerFunc func()

func (f runnerFunc) Run() { f() }

func listen(t *testing.T, e *Engine, h Handler) string {
	t.Helper()
	ln, err := e.Listen(Address{IP: netip.MustParseAddrPort("127.0.0.1:0")}, ListenConfig{}, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ln.Close)
	return ln.Address.String()
}

func dial(t *testing.T, address string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return c.(*net.TCPConn)
}

func echo(c Conn) {
	buf := c.Loop().Buffer(Buffer4K)
	defer c.Loop().Release(buf)
	for {
		n, err := c.Read(buf)
		if err != nil {
			c.Close()
			return
		}
		if _, err := c.Write(buf[:n]); err != nil {
			c.Close()
			return
		}
	}
}

func TestBytesComeBackAsTheyWent(t *testing.T) {
	both(t, func(t *testing.T, e *Engine) {
		address := listen(t, e, handlerFunc(echo))
		var wait sync.WaitGroup
		for i := range 20 {
			wait.Go(func() {
				c := dial(t, address)
				sent := bytes.Repeat([]byte{byte(i), 1, 2, 3}, 50_000)
				go func() { c.Write(sent); c.CloseWrite() }()
				got, err := io.ReadAll(c)
				if err != nil || !bytes.Equal(got, sent) {
					t.Errorf("got %d bytes, %v, want the %d that were sent", len(got), err, len(sent))
				}
			})
		}
		wait.Wait()
	})
}

func TestReadEndsAtItsDeadline(t *testing.T) {
	both(t, func(t *testing.T, e *Engine) {
		result := make(chan error, 1)
		address := listen(t, e, handlerFunc(func(c Conn) {
			c.SetReadTimeout(50 * time.Millisecond)
			_, err := c.Read(make([]byte, 10))
			c.Close()
			result <- err
		}))
		dial(t, address)
		if err := <-result; !errors.Is(err, ErrTimeout) {
			t.Errorf("got %v, want a timeout", err)
		}
	})
}

func TestWriteEndsAtItsDeadlineWhenThePeerDoesNotRead(t *testing.T) {
	both(t, func(t *testing.T, e *Engine) {
		result := make(chan error, 1)
		address := listen(t, e, handlerFunc(func(c Conn) {
			c.SetWriteTimeout(100 * time.Millisecond)
			_, err := c.Write(make([]byte, 64<<20))
			c.Close()
			result <- err
		}))
		dial(t, address)
		if err := <-result; !errors.Is(err, ErrTimeout) {
			t.Errorf("got %v, want a timeout", err)
		}
	})
}

// keeper gives its connection back after each byte, as an HTTP connection between requests.
type keeper struct {
	t     *testing.T
	idle  time.Duration
	ended chan error
}

func (k *keeper) Serve(c Conn) {
	var one [1]byte
	if _, err := c.Read(one[:]); err != nil {
		c.Close()
		k.ended <- err
		return
	}
	c.Write(one[:])
	c.SetReadTimeout(k.idle)
	c.Await(k)
}

func TestAwaitedConnectionRunsItsHandlerForBytesEndAndTimeout(t *testing.T) {
	both(t, func(t *testing.T, e *Engine) {
		k := &keeper{t: t, idle: 150 * time.Millisecond, ended: make(chan error, 2)}
		address := listen(t, e, k)
		c := dial(t, address)
		for range 3 {
			c.Write([]byte("x"))
			if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		c.Close()
		if err := <-k.ended; !errors.Is(err, io.EOF) {
			t.Errorf("end of the peer: got %v, want EOF", err)
		}
		c = dial(t, address)
		c.Write([]byte("x"))
		if err := <-k.ended; !errors.Is(err, ErrTimeout) {
			t.Errorf("idle time: got %v, want a timeout", err)
		}
	})
}

func TestReclaimedConnectionIsCleanOrRefused(t *testing.T) {
	both(t, func(t *testing.T, e *Engine) {
		server, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		peers := make(chan net.Conn, 2)
		go func() {
			for {
				c, err := server.Accept()
				if err != nil {
					return
				}
				peers <- c
			}
		}()
		l := e.Loops()[0]
		done := make(chan string, 1)
		to := Address{IP: netip.MustParseAddrPort(server.Addr().String())}
		nobody := handlerFunc(func(c Conn) {})
		l.Post(func() {
			l.Go(runnerFunc(func() {
				c, err := l.Dial(to, DialOptions{Timeout: time.Second})
				if err != nil {
					done <- err.Error()
					return
				}
				peer := <-peers // buffered: the connection stands
				c.Await(nobody)
				if !c.Reclaim() {
					done <- "a quiet connection was refused"
					return
				}
				c.Write([]byte("ping"))
				block(l, func() {
					io.ReadFull(peer, make([]byte, 4))
					peer.Write([]byte("pong"))
				})
				buf := make([]byte, 10)
				if n, err := c.Read(buf); string(buf[:n]) != "pong" {
					done <- "after Reclaim: " + string(buf[:n]) + " " + err.Error()
					return
				}
				c.Await(nobody)
				block(l, func() { peer.Close(); time.Sleep(100 * time.Millisecond) })
				if c.Reclaim() {
					done <- "a connection that its peer closed was given out"
					return
				}
				c.Close()
				done <- ""
			}))
		})
		if problem := <-done; problem != "" {
			t.Error(problem)
		}
	})
}

func TestPanicEndsItsConnectionAndNothingElse(t *testing.T) {
	both(t, func(t *testing.T, e *Engine) {
		address := listen(t, e, handlerFunc(func(c Conn) {
			buf := make([]byte, 1)
			for {
				if _, err := c.Read(buf); err != nil {
					c.Close()
					return
				}
				if buf[0] == '!' {
					panic("as asked")
				}
				c.Write(buf)
			}
		}))
		var good []*net.TCPConn
		for range 8 {
			good = append(good, dial(t, address))
		}
		bad := dial(t, address)
		bad.Write([]byte("!"))
		if n, err := bad.Read(make([]byte, 1)); err == nil {
			t.Errorf("the panicked connection still answers: %d bytes", n)
		}
		for _, c := range good {
			c.Write([]byte("x"))
			if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
				t.Errorf("another connection died: %v", err)
			}
		}
		panics := uint64(0)
		e.Each(func(l *Loop) { panics += l.Stats.Panics })
		if panics != 1 {
			t.Errorf("got %d panics counted, want 1", panics)
		}
	})
}

func TestInterruptWakesAReader(t *testing.T) {
	both(t, func(t *testing.T, e *Engine) {
		result := make(chan error, 1)
		address := listen(t, e, handlerFunc(func(c Conn) {
			l := c.Loop()
			l.Go(runnerFunc(func() {
				l.Sleep(30 * time.Millisecond)
				c.Interrupt()
			}))
			_, err := c.Read(make([]byte, 1))
			c.ClearInterrupt()
			c.Close()
			result <- err
		}))
		dial(t, address)
		if err := <-result; !errors.Is(err, ErrInterrupted) {
			t.Errorf("got %v, want interrupted", err)
		}
	})
}

// changes are what a watcher is told, and the end of its wait.
type changes struct {
	list []Change
	told Signal
	loop *Loop
}

func (w *changes) Changed(c Change) {
	w.list = append(w.list, c)
	w.loop.Fire(&w.told)
}

func TestAWatcherIsToldOfBytesAndOfTheEndWhileNobodyReads(t *testing.T) {
	both(t, func(t *testing.T, e *Engine) {
		for name, c := range map[string]struct {
			does func(*net.TCPConn)
			want Change
			left string // to be read afterwards
			err  bool
		}{
			"bytes":           {func(c *net.TCPConn) { io.WriteString(c, "more") }, Arrived, "more", false},
			"finished":        {func(c *net.TCPConn) { c.CloseWrite() }, Finished, "", true},
			"bytes, finished": {func(c *net.TCPConn) { io.WriteString(c, "last"); c.CloseWrite() }, Finished, "last", true},
			"reset":           {func(c *net.TCPConn) { c.SetLinger(0); c.Close() }, Gone, "", true},
		} {
			t.Run(name, func(t *testing.T) {
				type result struct {
					told bool
					left string
					err  error
				}
				watching, results := make(chan struct{}), make(chan result, 1)
				address := listen(t, e, handlerFunc(func(conn Conn) {
					b := make([]byte, 16)
					conn.Read(b) // the first bytes, before anybody watches
					w := &changes{loop: conn.Loop()}
					conn.Watch(w)
					close(watching)
					r := result{}
					for range 100 {
						if r.told = slices.Contains(w.list, c.want); r.told {
							break
						}
						w.told = Signal{}
						conn.Loop().Wait(&w.told, 50*time.Millisecond)
					}
					conn.SetReadTimeout(200 * time.Millisecond)
					for r.err == nil {
						n, err := conn.Read(b)
						r.left, r.err = r.left+string(b[:n]), err
					}
					conn.Watch(nil)
					conn.Close()
					results <- r
				}))
				peer := dial(t, address)
				io.WriteString(peer, "first")
				<-watching
				c.does(peer)
				r := <-results
				if !r.told || r.left != c.left || c.err == (r.err == ErrTimeout) {
					t.Errorf("told %v, read %q, %v", r.told, r.left, r.err)
				}
			})
		}
	})
}

func TestSignalWakesOnceAndTimesOut(t *testing.T) {
	both(t, func(t *testing.T, e *Engine) {
		l := e.Loops()[1]
		got := make(chan [3]bool, 1)
		l.Post(func() {
			l.Go(runnerFunc(func() {
				var s Signal
				l.Go(runnerFunc(func() { l.Fire(&s) }))
				first := l.Wait(&s, time.Second)
				second := l.Wait(&s, 20*time.Millisecond)
				l.Fire(&s)
				got <- [3]bool{first, second, l.Wait(&s, time.Second)}
			}))
		})
		if g := <-got; g != [3]bool{true, false, true} {
			t.Errorf("got %v, want a signal, a timeout, a signal that was there before", g)
		}
	})
}

func TestDialSaysWhyItFailed(t *testing.T) {
	both(t, func(t *testing.T, e *Engine) {
		gone, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		to := Address{IP: netip.MustParseAddrPort(gone.Addr().String())}
		gone.Close()
		l := e.Loops()[0]
		result := make(chan error, 1)
		l.Post(func() {
			l.Go(runnerFunc(func() {
				_, err := l.Dial(to, DialOptions{Timeout: time.Second})
				result <- err
			}))
		})
		if err := <-result; err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("got %v, want refused", err)
		}
	})
}

func TestBlockingWorkDoesNotStopTheLoop(t *testing.T) {
	both(t, func(t *testing.T, e *Engine) {
		l := e.Loops()[0]
		order := make(chan string, 2)
		l.Post(func() {
			l.Go(runnerFunc(func() {
				block(l, func() { time.Sleep(100 * time.Millisecond) })
				order <- "blocking work"
			}))
			l.Go(runnerFunc(func() {
				l.Sleep(20 * time.Millisecond)
				order <- "the loop"
			}))
		})
		if first := <-order; first != "the loop" {
			t.Errorf("%s came first: the loop waited for it", first)
		}
		<-order
	})
}

func TestClosedListenerRefusesAndItsConnectionsGoOn(t *testing.T) {
	both(t, func(t *testing.T, e *Engine) {
		ln, err := e.Listen(Address{IP: netip.MustParseAddrPort("127.0.0.1:0")}, ListenConfig{}, handlerFunc(echo))
		if err != nil {
			t.Fatal(err)
		}
		c := dial(t, ln.Address.String())
		c.Write([]byte("a"))
		io.ReadFull(c, make([]byte, 1))
		ln.Close()
		if other, err := net.Dial("tcp", ln.Address.String()); err == nil {
			other.Close()
			t.Error("a closed listener accepts")
		}
		c.Write([]byte("b"))
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Errorf("a connection ended with its listener: %v", err)
		}
	})
}

func TestUnixSocketsListenAndDial(t *testing.T) {
	both(t, func(t *testing.T, e *Engine) {
		path := t.TempDir() + "/weir.sock"
		ln, err := e.Listen(Address{Path: path}, ListenConfig{}, handlerFunc(echo))
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		l := e.Loops()[0]
		got := make(chan string, 1)
		l.Post(func() {
			l.Go(runnerFunc(func() {
				c, err := l.Dial(Address{Path: path}, DialOptions{Timeout: time.Second})
				if err != nil {
					got <- err.Error()
					return
				}
				c.Write([]byte("hello"))
				buf := make([]byte, 10)
				n, _ := c.Read(buf)
				c.Close()
				got <- string(buf[:n])
			}))
		})
		if g := <-got; g != "hello" {
			t.Errorf("got %q", g)
		}
	})
}

func TestFilesArriveWhole(t *testing.T) {
	both(t, func(t *testing.T, e *Engine) {
		body := make([]byte, 3<<20+7)
		for i := range body {
			body[i] = byte(i * i >> 7)
		}
		name := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(name, body, 0o644); err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		const from = 4097
		served := make(chan struct{})
		address := listen(t, e, handlerFunc(func(c Conn) {
			defer close(served)
			defer c.Close()
			c.SetWriteTimeout(5 * time.Second)
			n, err := SendFile(c, e.workersOfTest(2, 2, hangsFor), file, from, int64(len(body)-from))
			if err != nil || n != int64(len(body)-from) {
				t.Errorf("sent %d: %v", n, err)
			}
			if n, err := SendFile(c, e.workersOfTest(2, 2, hangsFor), file, int64(len(body))-1, 10); err == nil || n != 1 {
				t.Errorf("beyond the file's end: %d, %v", n, err)
			}
		}))
		got, err := io.ReadAll(dial(t, address))
		if err != nil || !bytes.Equal(got, append(body[from:len(body):len(body)], body[len(body)-1])) {
			t.Errorf("%d bytes came: %v", len(got), err)
		}
		<-served
	})
}
