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
	} {
		if got := garbagePercent(c.percent, c.took); got != c.want {
			t.Errorf("%d %% in %v: %d %%, want %d", c.percent, c.took, got, c.want)
		}
	}
}
