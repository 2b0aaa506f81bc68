package pool

// window counts requests and failures of the last while in slots of a tenth of it. Owned by its loop.
type window struct {
	slot     int64 // the newest
	judged   int64 // the slot in which the server was last held against the others
	requests [windowSlots]uint32
	failures [windowSlots]uint32
}

const windowSlots = 10

// count adds a request in the slot of now; width is a slot's in ms.
func (w *window) count(now, width int64, isFailure bool) {
	slot := now / width
	if slot != w.slot {
		w.advance(slot)
	}
	at := slot % windowSlots
	w.requests[at]++
	if isFailure {
		w.failures[at]++
	}
}

// advance forgets what was in the slots after the newest up to this one.
func (w *window) advance(slot int64) {
	for i := max(w.slot+1, slot-windowSlots+1); i <= slot; i++ {
		w.requests[i%windowSlots], w.failures[i%windowSlots] = 0, 0
	}
	w.slot = slot
}

// exceeds reports whether at least ratio of at least enough requests failed.
func (w *window) exceeds(ratio float64, enough int) bool {
	var requests, failures uint32
	for i := range w.requests {
		requests += w.requests[i]
		failures += w.failures[i]
	}
	return int(requests) >= enough && float64(failures) >= ratio*float64(requests)
}
