package engine

import (
	"slices"
	"sync"
	"testing"
)

// Others get their turn between bursts of dials, and who waits goes on in order.
func TestDialsAreSpreadOverTurns(t *testing.T) {
	e, err := New(Config{Loops: 1, Log: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	const dials = 20*dialsMost + 1
	l := e.loops[0]
	var done sync.WaitGroup
	done.Add(dials)
	var order []int
	perTurn := map[uint64]int{}
	l.Post(func() {
		for i := range dials {
			l.Go(runnerFunc(func() {
				defer done.Done()
				l.awaitDial(nil)
				order = append(order, i)
				perTurn[l.Stats.Turns]++
			}))
		}
	})
	done.Wait()
	l.Call(func() {
		if len(order) != dials || !slices.IsSorted(order) {
			t.Errorf("%d of %d went on, in order: %t", len(order), dials, slices.IsSorted(order))
		}
		for turn, n := range perTurn {
			if n > dialsMost {
				t.Errorf("%d in turn %d", n, turn)
			}
		}
		if len(l.dialers) > 0 {
			t.Errorf("%d still wait", len(l.dialers))
		}
	})
}

// Who has given up neither dials nor waits for others.
func TestADialThatIsGivenUpDoesNotWait(t *testing.T) {
	e, err := New(Config{Loops: 1, Log: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	const dials = 10 * dialsMost
	l := e.loops[0]
	givenUp := make([]bool, dials)
	var done sync.WaitGroup
	done.Add(dials)
	wanted, first, last := 0, uint64(0), uint64(0)
	l.Post(func() {
		first = l.Stats.Turns
		for i := range dials {
			l.Go(runnerFunc(func() {
				defer done.Done()
				if l.awaitDial(&givenUp[i]) {
					wanted++
				}
				last = l.Stats.Turns
			}))
		}
		l.GoLast(runnerFunc(func() {
			for i := range givenUp {
				givenUp[i] = i >= dialsMost
			}
		}))
	})
	done.Wait()
	l.Call(func() {
		if wanted != dialsMost || last > first+2 {
			t.Errorf("%d of %d dialled, the last in turn %d after the first", wanted, dials, last-first)
		}
	})
}

// started is work that notes its turn.
type started struct {
	givenUp bool
	run     func()
}

func (s *started) Run()            { s.run() }
func (s *started) IsGivenUp() bool { return s.givenUp }

// What a peer asks for at once is begun in order and over turns, and what is given up at once.
func TestStartsAreSpreadOverTurns(t *testing.T) {
	e, err := New(Config{Loops: 1, Log: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	const starts = 10*startsMost + 1
	l := e.loops[0]
	var done sync.WaitGroup
	done.Add(starts)
	var order []int
	perTurn := map[uint64]int{}
	first, gone := uint64(0), uint64(0)
	l.Post(func() {
		first = l.Stats.Turns
		for i := range starts {
			s := &started{}
			s.run = func() {
				defer done.Done()
				if s.givenUp {
					gone = max(gone, l.Stats.Turns-first)
					return
				}
				order = append(order, i)
				perTurn[l.Stats.Turns]++
			}
			l.GoInTurn(s)
			l.GoLast(runnerFunc(func() { s.givenUp = i%2 == 1 && i >= startsMost }))
		}
	})
	done.Wait()
	l.Call(func() {
		if len(order) != startsMost+(starts-startsMost+1)/2 || !slices.IsSorted(order) {
			t.Errorf("%d of %d begun, in order: %t", len(order), starts, slices.IsSorted(order))
		}
		for turn, n := range perTurn {
			if n > startsMost {
				t.Errorf("%d in turn %d", n, turn)
			}
		}
		if gone > 2 || len(l.starters) > 0 {
			t.Errorf("the last that was given up ended %d turns after the first, %d still wait", gone, len(l.starters))
		}
	})
}
