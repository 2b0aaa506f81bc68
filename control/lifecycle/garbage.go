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
	garbageRush  = 3 // collections in a row that have to come too soon before they are made rarer: most rushes are over by then
)

// collections is the process's.
var collections struct {
	once sync.Once
	allowance
	at     time.Time // the end of the last one
	forced uint64    // how many of them were asked for
}

// adaptCollections looks after each collection how often they come, and makes them rarer, or the heap smaller. An operator who sets GOGC has what it says.
func adaptCollections() {
	if os.Getenv("GOGC") != "" {
		return
	}
	collections.once.Do(func() {
		collections.percent, collections.at = garbageMost, time.Now()
		debug.SetGCPercent(garbageMost)
		awaitCollection()
	})
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
	if n := forced[0].Value.Uint64(); n != c.forced {
		c.forced = n // giveMemoryBack's: it says nothing of how much comes
		return
	}
	if c.adapt(now.Sub(before)) {
		debug.SetGCPercent(c.percent)
	}
}

// allowance is how much garbage there may be, in percent of what lives.
type allowance struct {
	percent int
	rush    int // collections in a row that came too soon
}

// adapt looks at how long the allowance took to come, and reports whether it is another one now. It is raised for twice as much at least, and lowered for
// a quarter less or the least, so that it stays as it is under a steady load, and comes back from where a rush has put it. Each change stops all loops.
func (a *allowance) adapt(took time.Duration) bool {
	comes := float64(a.percent) * float64(garbageIn) / float64(max(took, time.Millisecond))
	next := int(min(garbageMost, max(garbageLeast, comes)))
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
