package engine

import (
	"testing"
	"time"
)

func TestTheTimeOfDayFollowsWhoSetsIt(t *testing.T) {
	e, err := New(Config{Loops: 1, SlowTurn: 50 * time.Millisecond, Log: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	off := func() (d time.Duration) {
		e.Each(func(l *Loop) { d = time.Since(l.Time(l.Micros()).Round(0)) })
		return d.Abs()
	}
	if d := off(); d > time.Second {
		t.Fatalf("the time of day is off by %v", d)
	}
	// As if the system's clock had been an hour behind until now.
	e.epoch.Add(-time.Hour.Microseconds())
	for end := time.Now().Add(5 * time.Second); off() > time.Second; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the time of day is off by %v after the clock was set", off())
		}
	}
}
