package pool

// window counts requests and failures of the last ten seconds, by second. Owned by its loop.
type window struct {
	second   int64 // the newest
	requests [windowSeconds]uint32
	failures [windowSeconds]uint32
}

const windowSeconds = 10

func (w *window) count(now int64, isFailure bool) {
	second := now / 1000
	if second != w.second {
		w.advance(second)
	}
	at := second % windowSeconds
	w.requests[at]++
	if isFailure {
		w.failures[at]++
	}
}

// advance forgets the seconds that lie between the newest and this one, both sides of the ring's end.
func (w *window) advance(second int64) {
	for i := max(w.second+1, second-windowSeconds+1); i <= second; i++ {
		w.requests[i%windowSeconds], w.failures[i%windowSeconds] = 0, 0
	}
	w.second = second
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
