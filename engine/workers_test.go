package engine

import (
	"io"
	"math/rand/v2"
	"sync/atomic"
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
		w := e.workersOfTest(2, 3, 300*time.Millisecond)
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
					err := l.Block(w, nil, func() { <-hang }, func() { late <- struct{}{} })
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
					ends <- end{err: l.Block(w, &Wait{Most: 10 * time.Second}, func() { time.Sleep(time.Millisecond) }, nil)}
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

// hangsFor is how long work of tests may take.
const hangsFor = 500 * time.Millisecond

// workersOfTest are workers for the disk with other bounds.
func (e *Engine) workersOfTest(most, queueMost int, within time.Duration) *Workers {
	w := e.newWorkers(DiskWork)
	w.most, w.queueMost, w.within = most, queueMost, within
	return w
}

// eachEngine runs f with an engine of each kind.
func eachEngine(t *testing.T, loops int, f func(t *testing.T, e *Engine)) {
	for name, portable := range map[string]bool{"loops": false, "goroutines": true} {
		t.Run(name, func(t *testing.T) {
			e, err := New(Config{Loops: loops, Portable: portable})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			f(t, e)
		})
	}
}

func block(l *Loop, f func()) { l.Block(l.Workers(DiskWork, ""), nil, f, nil) }

func inCoroutine(l *Loop, f func()) { l.Post(func() { l.Go(work(f)) }) }

// Whoever waits for work can give it up while it waits for its turn and while it runs; its place goes to others, and what it made is given back.
func TestBlockingWorkIsGivenUp(t *testing.T) {
	eachEngine(t, 1, func(t *testing.T, e *Engine) {
		l, w, hang := e.Loops()[0], e.workersOfTest(1, 8, time.Minute), make(chan struct{})
		var running, waiting Wait
		ends, late := make(chan error, 2), make(chan struct{}, 2)
		inCoroutine(l, func() { ends <- l.Block(w, &running, func() { <-hang }, func() { late <- struct{}{} }) })
		waitFor(t, func() bool { return e.WorkStats(DiskWork).Running == 1 })
		inCoroutine(l, func() { ends <- l.Block(w, &waiting, func() { t.Error("begun") }, func() { t.Error("late") }) })
		waitFor(t, func() bool { return e.WorkStats(DiskWork).Waiting == 1 })
		for _, wait := range []*Wait{&waiting, &running} {
			l.Post(func() { wait.GiveUp(l) })
			if err := <-ends; err != ErrInterrupted {
				t.Errorf("given up: %v", err)
			}
		}
		if st := e.WorkStats(DiskWork); st.Running != 1 || st.Waiting != 0 || st.Busy != 0 || st.Stuck != 0 {
			t.Errorf("%+v", st)
		}
		inCoroutine(l, func() { ends <- l.Block(w, &waiting, func() {}, nil) })
		waitFor(t, func() bool { return e.WorkStats(DiskWork).Waiting == 1 })
		close(hang)
		<-late
		if err := <-ends; err != nil {
			t.Errorf("the next: %v", err)
		}
		waitFor(t, func() bool { return e.WorkStats(DiskWork).Running == 0 })
	})
}

// A turn that is granted in the moment its waiter gives up goes on to the next, and is not taken for that of later work.
func TestTurnsOfWorkAreNotLost(t *testing.T) {
	eachEngine(t, 1, func(t *testing.T, e *Engine) {
		l, w := e.Loops()[0], e.workersOfTest(1, 1000, time.Minute)
		const rounds = 200
		ends := make(chan error, 2*rounds)
		for range rounds {
			wait := new(Wait)
			inCoroutine(l, func() {
				ends <- l.Block(w, wait, func() { time.Sleep(time.Duration(rand.IntN(200)) * time.Microsecond) }, nil)
			})
			inCoroutine(l, func() { ends <- l.Block(w, nil, func() {}, nil) })
			go func() {
				time.Sleep(time.Duration(rand.IntN(20000)) * time.Microsecond)
				l.Post(func() { wait.GiveUp(l) })
			}()
		}
		for range 2 * rounds {
			if err := <-ends; err != nil && err != ErrInterrupted {
				t.Fatal(err)
			}
		}
		waitFor(t, func() bool { st := e.WorkStats(DiskWork); return st.Running == 0 && st.Waiting == 0 })
	})
}

// What must be done in the end waits for its turn, with nobody waiting for it.
func TestLaterWorkIsDone(t *testing.T) {
	eachEngine(t, 1, func(t *testing.T, e *Engine) {
		l, w, hang := e.Loops()[0], e.workersOfTest(2, 0, time.Minute), make(chan struct{})
		var done atomic.Int32
		l.Call(func() {
			for range 20 {
				l.Later(w, func() { <-hang; done.Add(1) })
			}
		})
		waitFor(t, func() bool { st := e.WorkStats(DiskWork); return st.Running == 2 && st.Waiting == 18 })
		close(hang)
		waitFor(t, func() bool { return done.Load() == 20 && e.WorkStats(DiskWork).Running == 0 })
	})
}

// Work of one kind, and of one directory, does not wait for that of another.
func TestKindsOfWorkDoNotShareTheirBounds(t *testing.T) {
	eachEngine(t, 1, func(t *testing.T, e *Engine) {
		l, hang := e.Loops()[0], make(chan struct{})
		defer close(hang)
		kinds := []*Workers{l.Workers(DiskWork, "/a"), l.Workers(DiskWork, "/b")}
		for _, w := range Works() {
			kinds = append(kinds, l.Workers(w, ""))
		}
		for i, w := range kinds {
			if l.Workers(DiskWork, "/a") != kinds[0] {
				t.Error("a directory has two workers")
			}
			ended := make(chan error)
			inCoroutine(l, func() { ended <- l.Block(w, &Wait{Most: 5 * time.Second}, func() {}, nil) })
			if err := <-ended; err != nil {
				t.Errorf("kind %d: %v", i, err)
			}
			l.Call(func() {
				for range w.most {
					l.Later(w, func() { <-hang })
				}
			})
		}
	})
}

// A panic in blocking work ends that work alone.
func TestBlockingWorkMayPanic(t *testing.T) {
	eachEngine(t, 1, func(t *testing.T, e *Engine) {
		l := e.Loops()[0]
		e.config.Log = func(string, ...any) {}
		ended := make(chan error)
		inCoroutine(l, func() { ended <- l.Block(e.workersOfTest(1, 1, time.Second), nil, func() { panic("of a test") }, nil) })
		if err := <-ended; err != nil {
			t.Error(err)
		}
		waitFor(t, func() bool {
			n := uint64(0)
			l.Call(func() { n = l.Stats.Panics })
			return n == 1 && e.WorkStats(DiskWork).Running == 0
		})
	})
}

func waitFor(t *testing.T, is func() bool) {
	t.Helper()
	for by := time.Now().Add(5 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(by) {
			t.Fatal("waited in vain")
		}
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
		l, w, h := e.Loops()[0], e.workersOfTest(2, 0, hangsFor), hanging{make(chan struct{})}
		ends := make(chan error, 3)
		at := time.Now()
		for range cap(ends) {
			l.Post(func() {
				l.Go(work(func() {
					_, err := CopyFile(onLoop{loop: l}, w, h, 0, 100)
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
		if busy != 1 || stuck != 2 || time.Since(at) > 2*hangsFor {
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
