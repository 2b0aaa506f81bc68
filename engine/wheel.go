package engine

import "math/bits"

// The wheel's tick and shape: 16 ms, four levels of 64 slots, reaching 78 hours; later deadlines wait in the last slot and are
// filed again.
const (
	tickShift  = 4
	slotBits   = 6
	slots      = 1 << slotBits
	slotMask   = slots - 1
	levels     = 4
	wheelReach = int64(1)<<(slotBits*levels) - 1
)

// timer is an entry of a wheel, embedded in what it wakes. Owned by its loop.
type timer struct {
	next, prev *timer
	at         int64 // ms of the loop's clock it is filed under; 0 when it is not filed
	tick       int64
	owner      expirer
}

// expirer is told when its timer's time has come. Deadlines move later without touching the wheel, so an owner first looks whether
// its deadline is still ahead, and files itself again.
type expirer interface{ expire(now int64) }

// wheel is a hierarchical timer wheel: filing and removing are constant-time and need no system call.
type wheel struct {
	slots    [levels][slots]timer // list heads
	occupied [levels]uint64
	tick     int64 // last tick that was run
	count    int
}

func (w *wheel) init(now int64) {
	w.tick = now >> tickShift
	for l := range w.slots {
		for s := range w.slots[l] {
			h := &w.slots[l][s]
			h.next, h.prev = h, h
		}
	}
}

// add files t to run at ms at, never before; at most a tick later.
func (w *wheel) add(t *timer, at int64) {
	if t.at != 0 {
		w.remove(t)
	}
	t.at = at
	t.tick = at>>tickShift + 1
	w.count++
	w.file(t)
}

func (w *wheel) file(t *timer) {
	if t.tick <= w.tick {
		t.tick = w.tick + 1
	}
	delta, tick := t.tick-w.tick, t.tick
	if delta > wheelReach {
		tick = w.tick + wheelReach
		delta = wheelReach
	}
	level := (bits.Len64(uint64(delta)) - 1) / slotBits
	slot := int(tick>>(slotBits*level)) & slotMask
	h := &w.slots[level][slot]
	t.next, t.prev = h, h.prev
	h.prev.next, h.prev = t, t
	w.occupied[level] |= 1 << slot
}

// remove takes t out; a timer that is not filed is left alone.
func (w *wheel) remove(t *timer) {
	if t.at == 0 {
		return
	}
	t.prev.next, t.next.prev = t.next, t.prev
	t.next, t.prev, t.at = nil, nil, 0
	w.count--
}

// advance runs every timer whose time has come by now.
func (w *wheel) advance(now int64) {
	target := now >> tickShift
	if w.count == 0 {
		w.tick = target
		return
	}
	for w.tick < target {
		w.tick++
		for level := 1; level < levels; level++ {
			if w.tick&(1<<(slotBits*level)-1) != 0 {
				break
			}
			w.refile(level, int(w.tick>>(slotBits*level))&slotMask)
		}
		w.runSlot(int(w.tick)&slotMask, now)
	}
}

// refile spreads a slot of a coarse level over the finer ones when the wheel reaches it.
func (w *wheel) refile(level, slot int) {
	h := &w.slots[level][slot]
	w.occupied[level] &^= 1 << slot
	for h.next != h {
		t := h.next
		h.next, t.next.prev = t.next, h
		if t.tick <= w.tick {
			t.tick = w.tick
			f := &w.slots[0][w.tick&slotMask]
			t.next, t.prev = f, f.prev
			f.prev.next, f.prev = t, t
			w.occupied[0] |= 1 << (w.tick & slotMask)
			continue
		}
		w.file(t)
	}
}

func (w *wheel) runSlot(slot int, now int64) {
	h := &w.slots[0][slot]
	w.occupied[0] &^= 1 << slot
	for h.next != h {
		t := h.next
		w.remove(t)
		t.owner.expire(now)
	}
}

// nextDue is the time in ms until the wheel has something to do, at most limit.
func (w *wheel) nextDue(now, limit int64) int64 {
	if w.count == 0 {
		return limit
	}
	for level := range levels {
		if w.occupied[level] == 0 {
			continue
		}
		shift := slotBits * level
		at := (w.tick >> shift) & slotMask
		turned := bits.RotateLeft64(w.occupied[level], -int(at)-1)
		ahead := int64(bits.TrailingZeros64(turned)) + 1
		due := ((w.tick>>shift)+ahead)<<shift<<tickShift - now
		limit = min(limit, max(due, 0))
	}
	return limit
}
