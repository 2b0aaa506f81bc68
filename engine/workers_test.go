package engine

import (
	"io"
	"testing"
	"time"
)

// A directory that hangs holds no more threads than it may, and everybody who waits for it gets an answer.
func TestBlockingWorkIsBounded(t *testing.T) {
	for _, portable := range []bool{false, true} {
		e, err := New(Config{Loops: 2, Portable: portable})
		if err != nil {
			t.Fatal(err)
		}
		w := NewWorkers(2, 3)
		hang := make(chan struct{})
		type end struct {
			err  error
			took time.Duration
		}
		ends, late := make(chan end, 20), make(chan struct{}, 20)
		const asked = 10
		for i := range asked {
			l := e.Loops()[i%2]
			l.Post(func() {
				l.Go(work(func() {
					at := time.Now()
					err := l.BlockIn(w, 300*time.Millisecond, func() { <-hang }, func() { late <- struct{}{} })
					ends <- end{err, time.Since(at)}
				}))
			})
		}
		busy, stuck := 0, 0
		for range asked {
			switch got := <-ends; got.err {
			case ErrBusy:
				busy++
			case ErrStuck:
				stuck++
			default:
				t.Errorf("portable %v: %v after %v", portable, got.err, got.took)
			}
		}
		if stuck != 2 || busy != asked-2 {
			t.Errorf("portable %v: %d stuck, %d refused", portable, stuck, busy)
		}
		close(hang)
		for range stuck {
			<-late
		}
		// What hung has ended: there is room again, for as many as there are in turn.
		for i := range 5 {
			l := e.Loops()[i%2]
			l.Post(func() {
				l.Go(work(func() {
					ends <- end{err: l.BlockIn(w, 10*time.Second, func() { time.Sleep(time.Millisecond) }, func() {})}
				}))
			})
		}
		for range 5 {
			if got := <-ends; got.err != nil {
				t.Errorf("portable %v: %v", portable, got.err)
			}
		}
		e.Close()
	}
}

// work is a function as a Runner.
type work func()

func (f work) Run() { f() }

// hanging is a file whose disk does not answer.
type hanging struct{ until chan struct{} }

func (h hanging) ReadAt([]byte, int64) (int, error) { <-h.until; return 0, io.EOF }

// Files whose disk hangs hold no more threads than they may, and whoever sends one is told.
func TestAFileThatHangsIsGivenUp(t *testing.T) {
	for _, portable := range []bool{false, true} {
		e, err := New(Config{Loops: 1, Portable: portable})
		if err != nil {
			t.Fatal(err)
		}
		l, w, h := e.Loops()[0], NewWorkers(2, 0), hanging{make(chan struct{})}
		ends := make(chan error, 3)
		at := time.Now()
		for range cap(ends) {
			l.Post(func() {
				l.Go(work(func() {
					_, err := copyFile(onLoop{loop: l}, w, h, 0, 100)
					ends <- err
				}))
			})
		}
		busy, stuck := 0, 0
		for range cap(ends) {
			switch <-ends {
			case ErrBusy:
				busy++
			case ErrStuck:
				stuck++
			}
		}
		if busy != 1 || stuck != 2 || time.Since(at) > 2*readMost {
			t.Errorf("portable %v: %d refused, %d given up after %v", portable, busy, stuck, time.Since(at))
		}
		close(h.until)
		for by := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			out := 0
			l.Call(func() { out = l.BuffersOut() })
			if out == 0 {
				break
			}
			if time.Now().After(by) {
				t.Fatalf("portable %v: %d buffers are not returned", portable, out)
			}
		}
		e.Close()
	}
}

// onLoop is a connection of which only the loop is asked for.
type onLoop struct {
	Conn
	loop *Loop
}

func (c onLoop) Loop() *Loop { return c.loop }
