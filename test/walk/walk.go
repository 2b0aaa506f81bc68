package walk

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// Walks are sequences of events.
type Walks[E any] struct {
	Events  []E
	Name    func(E) string
	Ways    []string // how the machine comes to its states: names of events, with "; " between them; "" for none
	Random  int      // sequences of random events
	Longest int      // events of a random sequence; at least 3
}

// Each calls do with each way followed by each event and a random one, and then with random sequences. It ends when the test has failed.
func (w *Walks[E]) Each(t *testing.T, rng *rand.Rand, do func([]E)) {
	t.Helper()
	any := func() E { return w.Events[rng.IntN(len(w.Events))] }
	for _, way := range w.Ways {
		before := w.parse(t, way)
		for _, next := range w.Events {
			if do(append(before[:len(before):len(before)], next, any())); t.Failed() {
				return
			}
		}
	}
	for range w.Random {
		var some []E
		for range 3 + rng.IntN(w.Longest-2) {
			some = append(some, any())
		}
		if do(some); t.Failed() {
			return
		}
	}
}

func (w *Walks[E]) parse(t *testing.T, way string) (events []E) {
	t.Helper()
	if way == "" {
		return nil
	}
names:
	for name := range strings.SplitSeq(way, "; ") {
		for _, e := range w.Events {
			if w.Name(e) == name {
				events = append(events, e)
				continue names
			}
		}
		t.Fatalf("no event %q", name)
	}
	return events
}
