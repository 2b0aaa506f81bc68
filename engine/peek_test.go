package engine

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"
)

func TestPeekLeavesBytesWhereTheyAre(t *testing.T) {
	both(t, func(t *testing.T, e *Engine) {
		got := make(chan string, 4)
		address := listen(t, e, handlerFunc(func(c Conn) {
			defer c.Close()
			b := make([]byte, 64)
			n, err := Peek(c, b, 0)
			if err != nil {
				t.Error(err)
			}
			got <- string(b[:n])
			n, err = Peek(c, b, n)
			if err != nil {
				t.Error(err)
			}
			got <- string(b[:n])
			n, _ = c.Read(b[:3])
			got <- string(b[:n])
			c.SetReadTimeout(30 * time.Millisecond)
			if n, err = Peek(c, b, 3); !errors.Is(err, ErrTimeout) {
				t.Errorf("%d %v, want a timeout", n, err)
			}
			c.SetReadTimeout(time.Second)
			n, _ = c.Read(b)
			got <- string(b[:n])
		}))
		c := dial(t, address)
		defer c.Close()
		io.WriteString(c, "abc")
		if first := <-got; first != "abc" {
			t.Errorf("first %q", first)
		}
		io.WriteString(c, "def")
		for _, want := range []string{"abcdef", "abc", "def"} {
			if next := <-got; next != want {
				t.Errorf("%q, want %q", next, want)
			}
		}
	})
}

func TestPeekSeesTheEnd(t *testing.T) {
	both(t, func(t *testing.T, e *Engine) {
		got := make(chan error, 2)
		address := listen(t, e, handlerFunc(func(c Conn) {
			defer c.Close()
			b := make([]byte, 64)
			c.SetReadTimeout(5 * time.Second)
			n, err := Peek(c, b, 0)
			for err == nil {
				n, err = Peek(c, b, n)
			}
			got <- err
		}))
		for _, text := range []string{"", "abc"} {
			c := dial(t, address)
			io.WriteString(c, text)
			time.Sleep(10 * time.Millisecond)
			c.Close()
			if err := <-got; err != io.EOF {
				t.Errorf("after %q: %v", text, err)
			}
		}
	})
}

func TestResetIsNoEnd(t *testing.T) {
	both(t, func(t *testing.T, e *Engine) {
		c := dial(t, listen(t, e, handlerFunc(func(c Conn) {
			c.Read(make([]byte, 1))
			c.Reset()
		})))
		io.WriteString(c, "x")
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the peer reads %v", err)
		}
	})
}

func TestConnectionSaysTheEndsThatItWasGiven(t *testing.T) {
	both(t, func(t *testing.T, e *Engine) {
		got := make(chan netip.AddrPort, 2)
		c := dial(t, listen(t, e, handlerFunc(func(c Conn) {
			defer c.Close()
			real := c.LocalAddr()
			SetEnds(c, netip.AddrPort{}, netip.MustParseAddrPort("192.0.2.1:7"))
			got <- c.RemoteAddr()
			if c.LocalAddr() != real {
				t.Errorf("an invalid end changed %v to %v", real, c.LocalAddr())
			}
			SetEnds(c, netip.MustParseAddrPort("[2001:db8::1]:8"), netip.AddrPort{})
			got <- c.LocalAddr()
		})))
		io.WriteString(c, "x")
		if a, b := <-got, <-got; a.String() != "192.0.2.1:7" || b.String() != "[2001:db8::1]:8" {
			t.Errorf("%v %v", a, b)
		}
	})
}

func TestInterruptRunsAnAwaitedHandler(t *testing.T) {
	both(t, func(t *testing.T, e *Engine) {
		conns, got := make(chan Conn, 1), make(chan error, 1)
		address := listen(t, e, handlerFunc(func(c Conn) {
			c.SetReadTimeout(time.Minute)
			c.Await(handlerFunc(func(c Conn) {
				_, err := c.Read(make([]byte, 1))
				got <- err
				c.Close()
			}))
			conns <- c
		}))
		c := dial(t, address)
		defer c.Close()
		ours := <-conns
		ours.Loop().Call(ours.Interrupt)
		select {
		case err := <-got:
			if !errors.Is(err, ErrInterrupted) {
				t.Error(err)
			}
		case <-time.After(5 * time.Second):
			t.Error("the handler did not run")
		}
	})
}

func TestSpliceNowDoesNotWait(t *testing.T) {
	both(t, func(t *testing.T, e *Engine) {
		far, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer far.Close()
		done := make(chan struct{})
		c := dial(t, listen(t, e, handlerFunc(func(c Conn) {
			defer close(done)
			defer c.Close()
			to, err := c.Loop().Dial(Address{IP: netip.MustParseAddrPort(far.Addr().String())}, DialOptions{Timeout: time.Second})
			if err != nil {
				t.Error(err)
				return
			}
			defer to.Close()
			if !CanSplice(to, c) {
				return
			}
			if n, err := SpliceNow(to, c, 1<<20); n != 0 || err != nil {
				t.Errorf("nothing was there: %d %v", n, err)
			}
			if n, err := Splice(to, c, 1<<20); n != 5 || err != nil {
				t.Errorf("%d %v", n, err)
			}
			if n, err := SpliceNow(to, c, 1<<20); n != 0 || err != nil {
				t.Errorf("nothing more was there: %d %v", n, err)
			}
		})))
		defer c.Close()
		time.Sleep(20 * time.Millisecond)
		io.WriteString(c, "hello")
		<-done
	})
}
