package lifecycle

import (
	"runtime/debug"
	"runtime/metrics"
	"syscall"
	"time"
)

// After a rush, of handshakes above all, most of the heap is garbage that nobody collects: the collector comes when the heap has grown to up to five times what
// lives (garbage.go), and with little to do it does not grow. What thousands of idle connections of TLS need would be doubled by it. So it is collected and given back
// when there is nothing else to do: never under load, where it would cost what rare collections save.
const (
	calmEvery = time.Second           // how often it is looked at, seldomer and seldomer while it stays calm: each look of an idle weir costs
	calmMost  = 20 * time.Millisecond // of processor time in a second: there is nothing to do
	calmRest  = 32 * time.Second
	wasteMost = 16 << 20 // bytes that are not worth it, and a quarter of what lives
)

// giveMemoryBack collects when it is calm.
func (d *Daemon) giveMemoryBack() {
	wait := calmEvery
	timer := time.NewTimer(wait)
	defer timer.Stop()
	before := cpuTime()
	for {
		select {
		case <-d.quit:
			return
		case <-timer.C:
		}
		now := cpuTime()
		switch isCalm := now-before < calmMost*(wait/calmEvery); {
		case isCalm && isWasteful():
			debug.FreeOSMemory()
			now = cpuTime()
		case isCalm:
			wait = min(2*wait, calmRest)
		default:
			wait = calmEvery
		}
		before = now
		timer.Reset(wait)
	}
}

// isWasteful reports whether much of the memory is not in use.
func isWasteful() bool {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"}}
	metrics.Read(s)
	live, objects, free := s[0].Value.Uint64(), s[1].Value.Uint64(), s[2].Value.Uint64()
	return objects+free > live+live/4+wasteMost
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
