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
				l.awaitDial()
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
