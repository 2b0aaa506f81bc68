package engine

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"syscall"
	"testing"
	"time"
)

// withUring is an engine of one loop that has a uring; nil where the system has none for programs.
func withUring(t *testing.T) *Engine {
	t.Helper()
	e, err := New(Config{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	has := false
	e.loops[0].Call(func() { has = e.loops[0].poller.uring != nil })
	if !has {
		t.Log("no io_uring here")
		return nil
	}
	return e
}

// pairs connects n clients to the loop; ends are the loop's.
func pairs(t *testing.T, e *Engine, n int) (clients []net.Conn, ends []Conn) {
	t.Helper()
	arrived := make(chan Conn, n)
	address := listen(t, e, handlerFunc(func(c Conn) {
		var name [4]byte
		if _, err := c.Read(name[:]); err != nil {
			t.Error(err)
		}
		arrived <- c
	}))
	for i := range n {
		c := dial(t, address)
		fmt.Fprintf(c, "%04d", i)
		clients, ends = append(clients, c), append(ends, <-arrived) // one after the other: they are pairs
	}
	return clients, ends
}

// atOnce runs f for every connection, each on a coroutine of its own, in one turn, and waits for all.
func atOnce(e *Engine, ends []Conn, f func(i int, c Conn)) {
	done := make(chan struct{}, len(ends))
	e.loops[0].Call(func() {
		for i, c := range ends {
			e.loops[0].Go(runnerFunc(func() {
				f(i, c)
				done <- struct{}{}
			}))
		}
	})
	for range ends {
		<-done
	}
}

func TestSendsOfATurnLeaveTogetherAndWhole(t *testing.T) {
	e := withUring(t)
	if e == nil {
		return
	}
	const n = 150 // more than one call takes
	clients, ends := pairs(t, e, n)
	atOnce(e, ends, func(i int, c Conn) {
		for k := range 20 {
			text := fmt.Appendf(nil, "%d of %d;", k, i)
			if wrote, err := c.Write(text); err != nil || wrote != len(text) {
				t.Errorf("%d, %v", wrote, err)
			}
		}
		c.Close()
	})
	for i, c := range clients {
		var want []byte
		for k := range 20 {
			want = fmt.Appendf(want, "%d of %d;", k, i)
		}
		if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, want) {
			t.Errorf("client %d got %q, %v", i, got, err)
		}
	}
	e.loops[0].Call(func() {
		s := e.loops[0].Stats
		if s.SendsTogether < 20*n*9/10 || s.SendCalls > s.SendsTogether/10 {
			t.Errorf("%d sends left in %d calls", s.SendsTogether, s.SendCalls)
		}
	})
}

// Peers that do not read: the sockets fill up, sends are cut short or find no room, and what comes at last is what was written.
func TestSendsThatFindNoRoomGoOn(t *testing.T) {
	e := withUring(t)
	if e == nil {
		return
	}
	const n, size = 8, 6 << 20
	clients, ends := pairs(t, e, n)
	body := make([]byte, size)
	random := rand.NewChaCha8([32]byte{7})
	random.Read(body)
	go func() {
		time.Sleep(100 * time.Millisecond)
		for _, c := range clients {
			go func() {
				got, err := io.ReadAll(c)
				if err != nil || !bytes.Equal(got, body) {
					t.Errorf("%d bytes of %d, or others than were written: %v", len(got), size, err)
				}
				c.Close()
			}()
		}
	}()
	atOnce(e, ends, func(i int, c Conn) {
		for at := 0; at < size; at += 7001 {
			if _, err := c.Write(body[at:min(size, at+7001)]); err != nil {
				t.Errorf("connection %d: %v", i, err)
				break
			}
		}
		c.CloseWrite()
		io.Copy(io.Discard, struct{ io.Reader }{c})
		c.Close()
	})
}

// One of those that write together has lost its peer: it alone is told.
func TestAFailedSendIsItsOwnersAlone(t *testing.T) {
	e := withUring(t)
	if e == nil {
		return
	}
	clients, ends := pairs(t, e, 10)
	clients[3].(*net.TCPConn).SetLinger(0)
	clients[3].Close()
	time.Sleep(50 * time.Millisecond)
	atOnce(e, ends, func(i int, c Conn) {
		_, err := c.Write([]byte("hello"))
		if (err != nil) != (i == 3) {
			t.Errorf("connection %d: %v", i, err)
		}
		c.Close()
	})
	for i, c := range clients {
		if got, _ := io.ReadAll(c); i != 3 && string(got) != "hello" {
			t.Errorf("client %d got %q", i, got)
		}
	}
}

// Whoever closes a connection closes it behind what was written to it.
func TestWhatWasWrittenGoesBeforeTheEnd(t *testing.T) {
	e := withUring(t)
	if e == nil {
		return
	}
	clients, ends := pairs(t, e, 4)
	l := e.loops[0]
	for name, end := range map[string]func(c Conn){"close": func(c Conn) { c.Close() }, "close of writing": func(c Conn) { c.CloseWrite() },
		"another's bytes": func(c Conn) { c.Write([]byte(", world")); c.Close() }} {
		i := len(ends) - 1
		c, client := ends[i], clients[i]
		ends, clients = ends[:i], clients[:i]
		l.Call(func() {
			l.Go(runnerFunc(func() {
				if _, err := c.Write([]byte("hello")); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}))
			l.Go(runnerFunc(func() { end(c) }))
		})
		client.SetReadDeadline(time.Now().Add(5 * time.Second))
		want := "hello"
		if name == "another's bytes" {
			want += ", world"
		}
		if got, err := io.ReadAll(client); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// A uring that does not do any more what it should is given up, and nothing that was to go by it is lost.
func TestWithoutItsUringALoopGoesOn(t *testing.T) {
	e := withUring(t)
	if e == nil {
		return
	}
	clients, ends := pairs(t, e, 20)
	l := e.loops[0]
	l.Call(func() { syscall.Dup2(devNull(t), l.poller.uring.fd) })
	atOnce(e, ends, func(i int, c Conn) {
		if _, err := c.Write([]byte("still here")); err != nil {
			t.Errorf("connection %d: %v", i, err)
		}
		c.Close()
	})
	for i, c := range clients {
		if got, err := io.ReadAll(c); err != nil || string(got) != "still here" {
			t.Errorf("client %d got %q, %v", i, got, err)
		}
	}
	l.Call(func() {
		if l.poller.uring != nil {
			t.Error("the uring was not given up")
		}
	})
}

// What a uring says of a send is asked of the connection once more: it may be the uring's own trouble.
func TestWhatAUringRefusesIsSentOtherwise(t *testing.T) {
	e := withUring(t)
	if e == nil {
		return
	}
	clients, ends := pairs(t, e, 2)
	clients[1].(*net.TCPConn).SetLinger(0)
	clients[1].Close()
	time.Sleep(50 * time.Millisecond)
	list := []sending{{conn: ends[0].(*epollConn), p: []byte("hello"), n: -1, errno: syscall.EPERM}, {conn: ends[1].(*epollConn), p: []byte("hello"), n: -1, errno: syscall.ECONNRESET}}
	e.loops[0].Call(func() {
		if sendAgain(list[1:]) || list[1].errno != syscall.ECONNRESET {
			t.Errorf("a connection that has failed: %v, and the uring is blamed for it", list[1].errno)
		}
		if !sendAgain(list) || list[0].errno != 0 || list[0].n != 5 {
			t.Errorf("a connection that has not: %d, %v, and the uring goes on", list[0].n, list[0].errno)
		}
		ends[0].Close()
	})
	if got, _ := io.ReadAll(clients[0]); string(got) != "hello" {
		t.Errorf("%q came", got)
	}
}

func devNull(t *testing.T) int {
	t.Helper()
	fd, err := syscall.Open("/dev/null", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	return fd
}
