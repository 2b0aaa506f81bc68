package engine

import (
	"math/rand/v2"
	"testing"
)

type alarm struct {
	timer timer
	due   int64
	rang  int64
}

func (a *alarm) expire(now int64) { a.rang = now }

func TestTimersRunNeverEarlyAndAtMostTwoTicksLate(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 1))
		var w wheel
		now := int64(random.IntN(1 << 20))
		w.init(now)
		var alarms []*alarm
		for range 300 {
			a := &alarm{due: now + random.Int64N(1<<uint(4+random.IntN(22)))}
			a.timer.owner = a
			w.add(&a.timer, a.due)
			alarms = append(alarms, a)
		}
		for i := range 50 {
			w.remove(&alarms[i].timer)
		}
		step := int64(1 + random.IntN(40))
		for now < 1<<27 && w.count > 0 {
			if due := w.nextDue(now, 1<<40); due > step && due < 1<<40 {
				now += due // what the loop would sleep
			} else {
				now += step
			}
			w.advance(now)
			for _, a := range alarms[50:] {
				if a.rang == now && a.due > now {
					t.Fatalf("seed %d: a timer for %d ran at %d", seed, a.due, now)
				}
				if a.rang == 0 && now-a.due > 2<<tickShift+step {
					t.Fatalf("seed %d: a timer for %d has not run at %d", seed, a.due, now)
				}
			}
		}
		for _, a := range alarms[:50] {
			if a.rang != 0 {
				t.Fatalf("seed %d: a removed timer ran", seed)
			}
		}
		if w.count != 0 {
			t.Fatalf("seed %d: %d timers left", seed, w.count)
		}
	}
}

// A route may give its servers hours, and "off" is a year: deadlines beyond the wheel's reach wait in it and are filed again.
func TestTimersOfHoursAndDaysRunInTime(t *testing.T) {
	const hour = int64(3600_000)
	var w wheel
	start := 17*hour + 12345
	w.init(start)
	var alarms []*alarm
	for _, hours := range []int64{1, 5, 12, 30, 77, 78, 79, 100, 160, 365 * 24} {
		a := &alarm{due: start + hours*hour}
		a.timer.owner = a
		w.add(&a.timer, a.due)
		alarms = append(alarms, a)
	}
	for now := start; now < start+170*hour; {
		now += max(1, w.nextDue(now, hour))
		w.advance(now)
	}
	for _, a := range alarms[:len(alarms)-1] {
		if late := a.rang - a.due; a.rang == 0 || late < 0 || late > 2<<tickShift {
			t.Errorf("a timer of %d hours ran %d ms late, at %d", (a.due-start)/hour, late, a.rang)
		}
	}
	if w.count != 1 || alarms[len(alarms)-1].rang != 0 {
		t.Errorf("%d timers are left, of a year's one", w.count)
	}
}
