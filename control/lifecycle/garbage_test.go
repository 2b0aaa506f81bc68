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
			if a.adapt(c.took) {
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
		if a.adapt(took) {
			t.Fatalf("after %d collections, %d %%", i+1, a.percent)
		}
	}
	if !a.adapt(2*time.Second) || a.percent != 250 {
		t.Errorf("after three in a row: %d %%, want 250", a.percent)
	}
	if !a.adapt(12500*time.Millisecond) || a.percent != garbageLeast {
		t.Errorf("once it is calm: %d %%, want %d", a.percent, garbageLeast)
	}
}
