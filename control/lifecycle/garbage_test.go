package lifecycle

import (
	"testing"
	"time"
)

func TestGarbageIsWhatComesInFiveSecondsWithinBounds(t *testing.T) {
	for _, c := range []struct {
		percent int
		took    time.Duration
		want    int
	}{
		{400, 20 * time.Second, 100},
		{400, 10 * time.Second, 200},
		{400, 5 * time.Second, 400},
		{400, 2 * time.Minute, 100},
		{100, 2500 * time.Millisecond, 200},
		{100, 10 * time.Millisecond, 400},
		{100, 0, 400},
		{100, time.Minute, 100},
		{100, 2600 * time.Millisecond, 100}, // not twice as much
		{180, 6 * time.Second, 180},         // not a quarter less
		{180, 7 * time.Second, 128},
		{140, 7 * time.Second, 100},
		{110, 6 * time.Second, 100}, // the least, where a rush may have left a little more
	} {
		a := allowance{percent: c.percent}
		for range garbageRush {
			if a.adapt(c.took, garbageMost) {
				break
			}
		}
		if a.percent != c.want {
			t.Errorf("%d %% in %v: %d %%, want %d", c.percent, c.took, a.percent, c.want)
		}
	}
}

func TestARushMakesCollectionsRarerOnlyWhenItLasts(t *testing.T) {
	a := allowance{percent: garbageLeast}
	for i, took := range []time.Duration{time.Second, time.Second, 5 * time.Second, time.Second, time.Second} {
		if a.adapt(took, garbageMost) {
			t.Fatalf("after %d collections, %d %%", i+1, a.percent)
		}
	}
	if !a.adapt(2*time.Second, garbageMost) || a.percent != 250 {
		t.Errorf("after three in a row: %d %%, want 250", a.percent)
	}
	if !a.adapt(12500*time.Millisecond, garbageMost) || a.percent != garbageLeast {
		t.Errorf("once it is calm: %d %%, want %d", a.percent, garbageLeast)
	}
}

// A heap of hundreds of megabytes must not have four times as much garbage, and none may have more than the memory limit has room for.
func TestALargeHeapHasLessGarbage(t *testing.T) {
	for _, c := range []struct {
		live, limit int64
		want        int
	}{
		{10 << 20, 0, 400}, {32 << 20, 0, 200}, {120 << 20, 0, 100}, {1 << 30, 0, 100}, {0, 0, 400},
		{20 << 20, 256 << 20, 160}, {120 << 20, 256 << 20, 26}, {200 << 20, 256 << 20, garbageFew}, {300 << 20, 256 << 20, garbageFew},
	} {
		if got := garbagePercent(c.live, c.limit); got != c.want {
			t.Errorf("%d MB of %d: %d %%, want %d", c.live>>20, c.limit>>20, got, c.want)
		}
	}
	a := allowance{percent: 400}
	if !a.adapt(time.Second, 100) || a.percent != 100 {
		t.Errorf("a heap that has grown keeps %d %%", a.percent)
	}
}
