package pool

import "math"

// Envoy's outlier detection by success rate, with its names and defaults: a server is ejected whose rate is more standard deviations below the mean of all than a
// factor says.
const (
	outlierHosts = 5    // servers that have enough requests; of fewer nothing can be said
	outlierLeast = 0.05 // below the mean: with few servers the smallest difference is two standard deviations
)

// isOutlier reports whether the server fails so much more often than the others that chance does not explain it. What this loop has seen decides.
func (p *Pool) isOutlier(s *Server, loop int, now int64) bool {
	c := &p.config.Eject
	mine := &s.Load(loop).window
	slot := now / p.slotWidth
	enough := max(10, c.Volume/p.config.Loops)
	if c.Deviation < 0 || mine.judged == slot {
		return false
	}
	mine.judged = slot // all servers are looked at once in a while, however many failures come
	own, isKnown := mine.rate(slot, enough)
	if !isKnown {
		return false
	}
	n, sum, squares := 0.0, 0.0, 0.0
	for _, other := range p.Set().Servers {
		if rate, isKnown := other.Load(loop).window.rate(slot, enough); isKnown {
			n, sum, squares = n+1, sum+rate, squares+rate*rate
		}
	}
	if n < outlierHosts {
		return false
	}
	mean := sum / n
	deviation := math.Sqrt(max(0, squares/n-mean*mean))
	return own < mean-c.Deviation*deviation && own < mean-outlierLeast
}

// rate is the share of requests that did not fail, as of that slot; not known of fewer than enough.
func (w *window) rate(slot int64, enough int) (rate float64, isKnown bool) {
	var requests, failures uint32
	for at := max(0, slot-windowSlots+1); at <= w.slot; at++ {
		requests += w.requests[at%windowSlots]
		failures += w.failures[at%windowSlots]
	}
	if int(requests) < enough {
		return 0, false
	}
	return 1 - float64(failures)/float64(requests), true
}
