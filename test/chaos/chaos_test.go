package chaos

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	seed    = flag.Uint64("seed", 0, "run the connection of this seed alone, again and again")
	seconds = flag.Int("seconds", 5, "how long each engine is driven")
)

func TestRandomExchangesOverLoops(t *testing.T)      { drive(t, false) }
func TestRandomExchangesOverGoroutines(t *testing.T) { drive(t, true) }

// tooLong is what no connection takes, with all its pauses, unless somebody waited for a deadline.
const tooLong = 5 * time.Second

// drive runs connections of random seeds, several at a time, and checks that nothing is left of them.
func drive(t *testing.T, portable bool) {
	before := descriptors()
	w := newWeir(t, portable)
	var all sync.WaitGroup
	until := time.Now().Add(time.Duration(*seconds) * time.Second)
	var mu sync.Mutex
	ran, failed := 0, 0
	for range 12 {
		all.Go(func() {
			for time.Now().Before(until) {
				n := rand.Uint64N(1 << 40)
				if portable {
					n += goroutines
				}
				if *seed != 0 {
					n = *seed
				}
				s := newSession(n)
				began := time.Now()
				err := s.run(w.clear, w.secure)
				if d := time.Since(began); err == nil && d > tooLong {
					err = fmt.Errorf("it took %v (%+v)", d, *s.plans[len(s.plans)-1])
				}
				mu.Lock()
				ran += len(s.plans)
				if err != nil && failed < 10 {
					failed++
					for _, p := range s.plans {
						t.Logf("%+v", *p)
					}
					t.Errorf("-seed %d (tls %v, depth %d, misdeed %d): %v", s.seed, s.tls, s.depth, s.misdeed, err)
				}
				stop := failed >= 10
				mu.Unlock()
				if stop {
					return
				}
			}
		})
	}
	all.Wait()
	w.settle()
	w.stop()
	t.Logf("%d exchanges", ran)
	if ran < 100 {
		t.Errorf("only %d exchanges", ran)
	}
	for by := time.Now().Add(3 * time.Second); descriptors() > before && time.Now().Before(by); time.Sleep(20 * time.Millisecond) {
	}
	if now := descriptors(); now > before {
		t.Errorf("%d sockets are left open", now-before)
	}
	buf := make([]byte, 1<<20)
	if p := parked(string(buf[:runtime.Stack(buf, true)])); strings.Contains(p, "goroutine") {
		t.Errorf("coroutines are left:\n%s", p)
	}
}
