package engine

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// afterReset are the calls that the system may tell, once, that the connection was reset.
var afterReset = map[string]func(c Conn, w *Workers, file *os.File){
	"read":            func(Conn, *Workers, *os.File) {},
	"write":           func(c Conn, _ *Workers, _ *os.File) { c.Write([]byte("x")) },
	"write of a lot":  func(c Conn, _ *Workers, _ *os.File) { c.Write(make([]byte, 64<<10)) },
	"write of two":    func(c Conn, _ *Workers, _ *os.File) { c.WriteBuffers([]byte("x"), make([]byte, 16<<10)) },
	"send of a file":  func(c Conn, w *Workers, f *os.File) { SendFile(c, w, f, 0, 5) },
	"send at once":    func(c Conn, _ *Workers, _ *os.File) { SendNow(c, []byte("x")) },
	"look":            func(c Conn, _ *Workers, _ *os.File) { HasArrived(c) },
	"peek":            func(c Conn, _ *Workers, _ *os.File) { Peek(c, make([]byte, 8), 0) },
	"read of parts":   func(c Conn, _ *Workers, _ *os.File) { ReadNow(c, [][]byte{make([]byte, 1), make([]byte, 1)}) },
	"two of them":     func(c Conn, _ *Workers, _ *os.File) { c.Write([]byte("x")); c.Write([]byte("x")) },
	"end of writing":  func(c Conn, _ *Workers, _ *os.File) { c.CloseWrite() },
	"end and writing": func(c Conn, _ *Workers, _ *os.File) { c.CloseWrite(); c.Write([]byte("x")) },
}

func TestAResetIsNoEndWhoeverIsToldOfIt(t *testing.T) {
	both(t, func(t *testing.T, e *Engine) {
		name := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(name, []byte("hello"), 0o644); err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		w := e.workersOfTest(2, 2, hangsFor)
		for what, call := range afterReset {
			got := make(chan error, 1)
			c := dial(t, listen(t, e, handlerFunc(func(c Conn) {
				defer c.Close()
				c.Read(make([]byte, 1))
				c.Write([]byte("y"))
				c.Loop().Sleep(30 * time.Millisecond)
				call(c, w, file)
				_, err := c.Read(make([]byte, 8))
				got <- err
			})))
			c.SetLinger(0)
			io.WriteString(c, "x")
			io.ReadFull(c, make([]byte, 1))
			c.Close()
			if err := <-got; !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

func TestAnEndIsNoReset(t *testing.T) {
	both(t, func(t *testing.T, e *Engine) {
		got := make(chan error, 1)
		c := dial(t, listen(t, e, handlerFunc(func(c Conn) {
			defer c.Close()
			for range 3 { // the first is answered with a reset, which the next is told
				c.Loop().Sleep(30 * time.Millisecond)
				c.Write([]byte("x"))
			}
			b, err := io.ReadAll(readerOf{c})
			if string(b) != "all" {
				t.Errorf("%q came", b)
			}
			got <- err
		})))
		io.WriteString(c, "all")
		c.Close()
		if err := <-got; err != nil {
			t.Error(err)
		}
	})
}

type readerOf struct{ Conn }

// Two at a time: who reads may be woken before who writes has been told.
func TestAResetIsNoEndWhileAnotherWrites(t *testing.T) {
	both(t, func(t *testing.T, e *Engine) {
		got := make(chan error, 16)
		address := listen(t, e, handlerFunc(func(c Conn) {
			defer c.Close()
			var s Signal
			c.Loop().Go(runnerFunc(func() {
				for {
					if _, err := c.Write(make([]byte, 100)); err != nil {
						break
					}
				}
				c.Loop().Fire(&s)
			}))
			_, err := c.Read(make([]byte, 1))
			got <- err
			c.Loop().Wait(&s, 5*time.Second)
		}))
		for range 20 { // several at once, whose sends leave together
			var all sync.WaitGroup
			for range 16 {
				c := dial(t, address)
				c.SetLinger(0)
				all.Go(func() {
					io.CopyN(io.Discard, c, 1000)
					c.Close()
				})
			}
			all.Wait()
			for range 16 {
				if err := <-got; !errors.Is(err, syscall.ECONNRESET) {
					t.Fatal(err)
				}
			}
		}
	})
}

func TestAnEndLeavesWhatIsBeingWritten(t *testing.T) {
	both(t, func(t *testing.T, e *Engine) {
		body := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
		address := listen(t, e, handlerFunc(func(c Conn) {
			defer c.Close()
			var s Signal
			c.Loop().Go(runnerFunc(func() {
				if n, err := c.Write(body); err != nil {
					t.Errorf("%d bytes: %v", n, err)
				}
				c.Loop().Fire(&s)
			}))
			if _, err := c.Read(make([]byte, 1)); err != io.EOF {
				t.Error(err)
			}
			c.Loop().Wait(&s, 5*time.Second)
		}))
		for range 3 {
			c := dial(t, address)
			time.Sleep(20 * time.Millisecond) // it waits for room now
			c.CloseWrite()
			time.Sleep(20 * time.Millisecond)
			if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, body) {
				t.Fatalf("%d bytes of %d: %v", len(got), len(body), err)
			}
		}
	})
}
