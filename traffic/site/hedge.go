package site

import (
	"math/bits"

	"github.com/weir-proxy/weir/traffic/pool"
)

// Hedge is when a pool's requests that only read are sent to a second server too. Immutable but for what hangs on it.
type Hedge struct {
	At      float64       // the share of the answers that come before
	Budgets *pool.Budgets // that pay for the copies
	Loops   []HedgeLoop
}

// NewHedge makes it with a budget of a share of the requests.
func NewHedge(at, share float64, loops int) *Hedge {
	return &Hedge{At: at, Budgets: pool.NewBudgets(pool.RetryConfig{Share: share, PerSecond: -1}, loops), Loops: make([]HedgeLoop, loops)}
}

// HedgeLoop is what one loop knows of how long answers take. Owned by the loop.
type HedgeLoop struct {
	counts [hedgeBuckets]uint32 // of answers, by quarters of powers of two of microseconds
	total  uint32
	Sent   uint64   // copies
	Won    uint64   // copies that were answered first
	_      [88]byte // keeps loops out of each other's cache lines
}

const (
	hedgeBuckets = 128
	hedgeEnough  = 100  // answers without which nothing is known
	hedgeWindow  = 2000 // answers after which the old ones count half
)

// Note counts an answer that took so many microseconds.
func (l *HedgeLoop) Note(micros int64) {
	l.counts[bucketOf(micros)]++
	if l.total++; l.total < hedgeWindow {
		return
	}
	l.total = 0
	for i := range l.counts {
		l.counts[i] /= 2
		l.total += l.counts[i]
	}
}

// After is how many microseconds a request waits before its copy goes out; 0 while that is not known.
func (h *Hedge) After(loop int) int64 {
	l := &h.Loops[loop]
	if l.total < hedgeEnough {
		return 0
	}
	before, want := uint32(0), uint32(h.At*float64(l.total))
	for i, n := range l.counts {
		if before += n; before > want {
			return ceilingOf(i)
		}
	}
	return ceilingOf(hedgeBuckets - 1)
}

// bucketOf and ceilingOf: four buckets to each power of two.
func bucketOf(micros int64) int {
	n := uint64(max(4, micros))
	exponent := bits.Len64(n) - 1
	return min(hedgeBuckets-1, (exponent-2)*4+int(n>>(exponent-2)&3))
}

func ceilingOf(bucket int) int64 {
	exponent := bucket/4 + 2
	return (int64(bucket%4) + 5) << (exponent - 2)
}
