package engine

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// returner forwards what comes by a connection to that same connection.
type returner struct {
	c         Conn
	rest      []byte
	forwarded int
	served    int
	timeout   time.Duration
	onForward func(n int)
	ended     chan error
}

func (f *returner) Forwarded(n int, rest []byte) {
	f.forwarded += n
	f.rest = append(f.rest, rest...)
	if f.onForward != nil {
		f.onForward(n)
	}
}

func (f *returner) Serve(c Conn) {
	f.served++
	buf := c.Loop().Buffer(Buffer4K)
	defer c.Loop().Release(buf)
	if err := f.work(buf); err != nil {
		c.Close()
		f.ended <- err
		return
	}
	f.await()
}

func (f *returner) work(buf []byte) error {
	if rest := f.rest; len(rest) > 0 {
		f.rest = nil
		_, err := f.c.Write(rest)
		return err
	}
	n, err := f.c.Read(buf)
	if err == nil {
		_, err = f.c.Write(buf[:n])
	}
	return err
}

func (f *returner) await() {
	f.c.SetReadTimeout(f.timeout)
	f.c.SetWriteTimeout(10 * time.Second)
	AwaitForward(f.c, f, f.c)
}

// returners listens with returners, each of which change may prepare, and gives them as their connections end.
func returners(t *testing.T, e *Engine, change func(f *returner)) (address string, ended chan *returner) {
	ended = make(chan *returner, 1000)
	return listen(t, e, handlerFunc(func(c Conn) {
		f := &returner{c: c, timeout: 10 * time.Second, ended: make(chan error, 1)}
		if change != nil {
			change(f)
		}
		f.await()
		l := c.Loop()
		go func() {
			err := <-f.ended
			l.Call(func() {
				f.ended <- err
				ended <- f
			})
		}()
	})), ended
}

func TestForwardedBytesComeBackAsTheyWent(t *testing.T) {
	both(t, func(t *testing.T, e *Engine) {
		address, ended := returners(t, e, nil)
		const clients, pieces = 100, 30
		var all sync.WaitGroup
		for i := range clients {
			c := dial(t, address)
			all.Go(func() { talkInPieces(t, c, rand.New(rand.NewPCG(uint64(i), 1)), pieces) })
		}
		all.Wait()
		forwarded := 0
		for range clients {
			f := <-ended
			if err := <-f.ended; err != io.EOF {
				t.Errorf("a connection ended with %v", err)
			}
			forwarded += f.forwarded
		}
		if hasPoller && e.loops[0].portable == nil && forwarded == 0 {
			t.Error("nothing was forwarded")
		}
		e.Each(func(l *Loop) {
			if n := l.BuffersOut(); n != 0 {
				t.Errorf("%d buffers are out", n)
			}
		})
	})
}

// talkInPieces writes pieces of many sizes, and reads them back.
func talkInPieces(t *testing.T, c *net.TCPConn, random *rand.Rand, pieces int) {
	var sent []byte
	go func() {
		for range pieces {
			piece := make([]byte, 1+random.IntN(1<<random.IntN(16)))
			for i := range piece {
				piece[i] = byte(random.Uint32())
			}
			sent = append(sent, piece...)
			c.Write(piece)
			time.Sleep(time.Duration(random.IntN(1000)) * time.Microsecond)
		}
		c.CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d of %d bytes, or others than were sent: %v", len(got), len(sent), err)
	}
}

// What is small needs no coroutine, whatever came before.
func TestForwardingNeedsNoCoroutine(t *testing.T) {
	for _, single := range []bool{false, true} {
		e, err := New(Config{Loops: 1, SingleSends: single})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		address, ended := returners(t, e, nil)
		c := dial(t, address)
		in := make([]byte, 100)
		for range 1000 {
			c.Write(in)
			if _, err := io.ReadFull(c, in); err != nil {
				t.Fatal(err)
			}
		}
		c.Close()
		if f := <-ended; f.served > 2 || f.forwarded < 100*999 { // the first message may have been there before the connection was awaited
			t.Errorf("a coroutine ran %d times, %d bytes were forwarded", f.served, f.forwarded)
		}
	}
}

// A peer that does not read: sockets fill up, what the loop cannot pass on the handler writes, and the order stays.
func TestForwardingFindsNoRoom(t *testing.T) {
	both(t, func(t *testing.T, e *Engine) {
		address, ended := returners(t, e, nil)
		sent := make([]byte, 16<<20)
		random := rand.NewChaCha8([32]byte{3})
		random.Read(sent)
		const clients = 4
		var all sync.WaitGroup
		for range clients {
			c := dial(t, address)
			all.Go(func() {
				go func() {
					for at := 0; at < len(sent); at += 5003 {
						c.Write(sent[at:min(len(sent), at+5003)])
					}
					c.CloseWrite()
				}()
				time.Sleep(200 * time.Millisecond)
				if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, sent) {
					t.Errorf("%d of %d bytes, or others than were sent: %v", len(got), len(sent), err)
				}
			})
		}
		all.Wait()
		for range clients {
			<-ended
		}
	})
}

func TestForwardingEndsAtTheReadDeadline(t *testing.T) {
	both(t, func(t *testing.T, e *Engine) {
		address, ended := returners(t, e, func(f *returner) { f.timeout = 200 * time.Millisecond })
		c := dial(t, address)
		c.Write([]byte("x"))
		io.ReadFull(c, make([]byte, 1))
		select {
		case f := <-ended:
			if err := <-f.ended; err != ErrTimeout {
				t.Errorf("%v, want the deadline", err)
			}
		case <-time.After(5 * time.Second):
			t.Error("the deadline has passed")
		}
	})
}

func TestForwardingTellsAResetFromAnEnd(t *testing.T) {
	both(t, func(t *testing.T, e *Engine) {
		address, ended := returners(t, e, nil)
		for range 10 {
			c := dial(t, address)
			c.Write([]byte("x"))
			io.ReadFull(c, make([]byte, 1))
			c.SetLinger(0)
			c.Write([]byte("y"))
			c.Close()
			f := <-ended
			if err := <-f.ended; err == nil || errors.Is(err, io.EOF) {
				t.Fatalf("a reset was taken for %v", err)
			}
		}
	})
}

func TestInterruptEndsForwarding(t *testing.T) {
	both(t, func(t *testing.T, e *Engine) {
		conns := make(chan Conn, 1)
		address, ended := returners(t, e, func(f *returner) { conns <- f.c })
		c := dial(t, address)
		c.Write([]byte("x"))
		io.ReadFull(c, make([]byte, 1))
		conn := <-conns
		conn.Loop().Call(conn.Interrupt)
		f := <-ended
		if err := <-f.ended; err != ErrInterrupted {
			t.Errorf("%v", err)
		}
	})
}

func TestPanicWhileForwardingEndsThatConnectionAlone(t *testing.T) {
	for _, single := range []bool{false, true} {
		e, err := New(Config{Loops: 1, SingleSends: single, Log: t.Logf})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		address, _ := returners(t, e, func(f *returner) {
			f.onForward = func(n int) {
				if n == 13 {
					panic("as asked")
				}
			}
		})
		good, bad := dial(t, address), dial(t, address)
		for _, c := range []*net.TCPConn{good, bad} {
			c.Write([]byte("x"))
			io.ReadFull(c, make([]byte, 1))
		}
		bad.Write(make([]byte, 13))
		if got, err := io.ReadAll(bad); err != nil || len(got) != 13 {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		good.Write([]byte("x"))
		if _, err := io.ReadFull(good, make([]byte, 1)); err != nil {
			t.Errorf("another connection died: %v", err)
		}
		e.Each(func(l *Loop) {
			if l.Stats.Panics != 1 || l.Stats.Open != 1 {
				t.Errorf("%d panics, %d connections", l.Stats.Panics, l.Stats.Open)
			}
		})
	}
}
