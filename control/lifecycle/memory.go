package lifecycle

import (
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"syscall"
	"time"

	"github.com/weir-proxy/weir/engine"
)

// What weir may use of the memory limit: the runtime as much as goalShare percent, beside which the kernel's buffers of sockets need some; its peers together a quarter, so that
// what lives besides, and garbage, have room.
const (
	goalShare = 80
	heldShare = 25
)

// heldUnlimited is what peers may have weir hold where no limit is known.
const heldUnlimited = 1 << 30

// memoryLimit is how much memory the process may use: what its cgroup says, or the machine has; 0 if neither is known. It tells the runtime, unless the operator has set GOMEMLIMIT,
// which then is the limit.
func memoryLimit() int64 {
	if os.Getenv("GOMEMLIMIT") != "" {
		if n := debug.SetMemoryLimit(-1); n < math.MaxInt64 {
			return n * 100 / goalShare
		}
		return 0
	}
	limit := cgroupMemory("/")
	if limit > 0 {
		debug.SetMemoryLimit(limit * goalShare / 100)
	}
	return limit
}

// heldMost is how much peers may have weir hold.
func heldMost(limit int64) int64 {
	if limit == 0 {
		return heldUnlimited
	}
	return limit * heldShare / 100
}

// limitMemory takes the limit that the configuration sets; 0 stands for the one that was found at the start.
func (d *Daemon) limitMemory(limit int64) {
	if limit > 0 && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(limit * goalShare / 100)
	} else {
		limit = memoryLimit()
	}
	limitCollections(limit)
	d.engine.SetMemory(heldMost(limit))
}

// After a rush, of handshakes above all, most of the heap is garbage that nobody collects: the collector comes when the heap has grown to up to five times what
// lives (garbage.go), and with little to do it does not grow. What thousands of idle connections of TLS need would be doubled by it. So it is collected and given back
// when there is nothing else to do: never under load, where it would cost what rare collections save. What peers had weir hold at the last collection, and do not any more, is garbage of
// which the collector does not know: without work it would never learn of it.
const (
	calmEvery = time.Second           // how often it is looked at, seldomer and seldomer while it stays calm: each look of an idle weir costs
	calmMost  = 20 * time.Millisecond // of processor time in a second: there is nothing to do
	calmRest  = 8 * time.Second
	wasteMost = 8 << 20 // bytes that are not worth it, and a quarter of what lives
)

// Under load memory is given back too when much of it is not in use: twice what lives and wasteRush more, for rushEvery. What lives is known as of the last collection, which with little
// to do may have been in the middle of a rush: so twice what lived when memory was given back last is enough as well.
const (
	wasteRush = 64 << 20
	rushEvery = 15 * time.Second
)

// giveMemoryBack collects when it is calm.
func (d *Daemon) giveMemoryBack() {
	wait := calmEvery
	timer := time.NewTimer(wait)
	defer timer.Stop()
	before := cpuTime()
	var rush time.Duration // for how long much was not in use
	settled, _ := heap()   // what lived when memory was given back last
	then, _ := d.inUse()   // and what peers had weir hold
	for {
		select {
		case <-d.quit:
			return
		case <-timer.C:
		case <-d.wasteNow: // a reload has left what the snapshot before was made of
			wait, rush = calmEvery, 0
			debug.FreeOSMemory()
			before = cpuTime()
			timer.Reset(wait)
			continue
		}
		live, other := heap()
		if other > 2*live+wasteRush || live+other > 3*settled+2*wasteRush {
			rush += wait
		} else {
			rush = 0
		}
		now := cpuTime()
		use, spare := d.inUse()
		switch isCalm := now-before < calmMost*(wait/calmEvery); {
		case isCalm && (other > live/4+wasteMost || live > settled+settled/4+wasteMost/2 || spare > spareMost || use < then/4*3-wasteMost), rush >= rushEvery:
			// What lived at the last collection, in a rush, may be garbage since.
			d.engine.Each((*engine.Loop).Trim)
			debug.FreeOSMemory()
			settled, _ = heap()
			then, _ = d.inUse()
			now, rush, wait = cpuTime(), 0, calmEvery
		case isCalm:
			wait = min(2*wait, calmRest)
		default:
			wait = calmEvery
		}
		before = now
		timer.Reset(wait)
	}
}

// inUse is about how many bytes the loops hold for their peers, and how many of buffers they keep that nobody needs.
func (d *Daemon) inUse() (held, spare int64) {
	d.engine.Each(func(l *engine.Loop) {
		held += l.Held()
		spare += l.Spare()
	})
	return held + perDescriptor*d.engine.Open(), spare
}

// perDescriptor is what comes along with a connection, and is not counted.
const perDescriptor = 8 << 10

// spareMost is how much of buffers the loops may keep while nobody needs them.
const spareMost = 4 << 20

// heap is how many bytes live, as of the last collection, and how many are held besides.
func heap() (live, other uint64) {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"}}
	metrics.Read(s)
	live = s[0].Value.Uint64()
	return live, s[1].Value.Uint64() + s[2].Value.Uint64() - min(live, s[1].Value.Uint64())
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
