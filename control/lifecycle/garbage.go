package lifecycle

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

// How much garbage there may be before it is collected, in percent of what lives: as much as comes in garbageIn. A loop that waits may hold a collection
// up for as long as it waits (docs/decisions/0003-raw-waits.md), so that must stay rare; and what comes slowly need not be kept for long.
const (
	garbageIn    = 5 * time.Second
	garbageMost  = 400
	garbageLeast = 100
	garbageFew   = 25 // where the memory limit leaves no room for more
	garbageRush  = 3  // collections in a row that have to come too soon before they are made rarer: most rushes are over by then
)

// collections is the process's.
var collections struct {
	once sync.Once
	mu   sync.Mutex // of limit
	allowance
	at     time.Time // the end of the last one
	forced uint64    // how many of them were asked for
	limit  int64     // of the process's memory; 0: none
}

// adaptCollections looks after each collection how often they come, and makes them rarer, or the heap smaller. An operator who sets GOGC has what it says.
func adaptCollections(limit int64) {
	if os.Getenv("GOGC") != "" {
		return
	}
	collections.once.Do(func() {
		collections.percent, collections.at, collections.limit = garbagePercent(0, limit), time.Now(), limit
		debug.SetGCPercent(collections.percent)
		awaitCollection()
	})
}

// limitCollections says how much memory there is.
func limitCollections(limit int64) {
	collections.mu.Lock()
	defer collections.mu.Unlock()
	collections.limit = limit
}

// sentinel is garbage from the start: that it goes tells of a collection. With a pointer, so that it shares its place with nothing.
type sentinel struct{ _ *sentinel }

func awaitCollection() { runtime.AddCleanup(&sentinel{}, collected, 0) }

// collected runs after each collection, one at a time.
func collected(int) {
	defer awaitCollection()
	c := &collections
	forced := []metrics.Sample{{Name: "/gc/cycles/forced:gc-cycles"}}
	metrics.Read(forced)
	now, before := time.Now(), c.at
	c.at = now
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	c.mu.Lock()
	most := garbagePercent(int64(live[0].Value.Uint64()), c.limit)
	c.mu.Unlock()
	if n := forced[0].Value.Uint64(); n != c.forced {
		c.forced = n // giveMemoryBack's: it says nothing of how much comes
		return
	}
	if c.adapt(now.Sub(before), most) {
		debug.SetGCPercent(c.percent)
	}
}

// garbageAlways is how much garbage there may be whatever lives, as long as the memory limit has room for it.
const garbageAlways = 64 << 20

// garbagePercent is the most garbage, in percent of what lives: a small heap may grow to five times its size, which is little; a large one to twice its size. Three reloads of 5,000
// sites once turned 120 MB into 640. limit is the process's memory limit, 0 if there is none; of what it leaves garbage gets half, and an eighth of it all.
func garbagePercent(live, limit int64) int {
	live = max(live, 1<<20)
	most := max(garbageAlways, live)
	if limit > 0 {
		most = min(most, max(0, limit-live)/2, limit/8)
	}
	return int(min(garbageMost, max(garbageFew, 100*most/live)))
}

// allowance is how much garbage there may be, in percent of what lives.
type allowance struct {
	percent int
	rush    int // collections in a row that came too soon
}

// adapt looks at how long the allowance took to come, and reports whether it is another one now. It is raised for twice as much at least, and lowered for
// a quarter less or the least, so that it stays as it is under a steady load, and comes back from where a rush has put it. Each change stops all loops.
//
// most is the most that the heap has room for; beyond it the allowance is lowered at once.
func (a *allowance) adapt(took time.Duration, most int) bool {
	comes := float64(a.percent) * float64(garbageIn) / float64(max(took, time.Millisecond))
	next := min(most, int(min(garbageMost, max(garbageLeast, comes))))
	if a.percent > most {
		a.percent, a.rush = most, 0
		return true
	}
	if next >= 2*a.percent {
		a.rush++
	} else {
		a.rush = 0
	}
	isLess := 4*next <= 3*a.percent || next == garbageLeast && a.percent > garbageLeast
	if a.rush < garbageRush && !isLess {
		return false
	}
	a.percent, a.rush = next, 0
	return true
}
