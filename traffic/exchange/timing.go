package exchange

// timingState is when things happened, by the loop's clock.
type timingState struct {
	stages [Done]int64 // µs: when they began
	asked  int64       // µs: the last of the request was sent, as far as it was before the answer began
	moved  int64       // ms: when content last came or went, in either direction
	by     int64       // ms: when the answer must have begun; 0: there is no such time
}

// stamp notes that the running stage began now.
func (x *Exchange) stamp(s Stage) { x.timing.stages[s] = x.at.loop.Micros() }
