package pool

import "math/bits"

// latencyByLoad is a moving average of the latency in microseconds for each class of load; 0: not known.
type latencyByLoad [16]float32

// averaged is how many answers the average is about.
const averaged = 8

// observe takes an answer that left so many requests in flight.
func (t *latencyByLoad) observe(inFlight int32, micros float64) {
	at := &t[loadClass(inFlight)]
	if *at == 0 {
		*at = max(float32(micros), 1)
		return
	}
	*at += (max(float32(micros), 1) - *at) / averaged
}

// raise makes it no less than that.
func (t *latencyByLoad) raise(inFlight int32, micros float64) {
	at := &t[loadClass(inFlight)]
	*at = max(*at, float32(micros))
}

// at is the latency at that load, or at the next one that is known; 0 if none is.
func (t *latencyByLoad) at(inFlight int32) float32 {
	class := loadClass(inFlight)
	for away := range len(t) {
		if i := class - away; i >= 0 && t[i] != 0 {
			return t[i]
		}
		if i := class + away; i < len(t) && t[i] != 0 {
			return t[i]
		}
	}
	return 0
}

// loadClass is 0, 1, 2, 3, then two classes to each power of two.
func loadClass(inFlight int32) int {
	if inFlight < 4 {
		return int(max(inFlight, 0))
	}
	top := bits.Len32(uint32(inFlight)) - 1
	half := int(inFlight>>(top-1)) & 1
	return min(2*top+half, len(latencyByLoad{})-1)
}
