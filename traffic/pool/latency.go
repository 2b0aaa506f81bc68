package pool

import "math"

// latency is a peak-sensitive moving average: a slower answer counts at once, a faster one pulls it down by time. A server
// that is left alone because it was slow is forgiven by half every halfLife, so it will be tried again.
type latency struct {
	micros float64 // 0: not known
	at     int64   // ms of the last sample
}

const (
	halfLife        = 1 << halfLifeBits // ms
	halfLifeBits    = 12
	failureFloor    = 10_000  // µs
	failureMax      = 100_000 // µs
	unknownPenalty  = 1e12    // µs: above every known latency
	forgottenShifts = 40
)

// observe takes one sample in microseconds.
func (l *latency) observe(now int64, micros float64) {
	micros = max(micros, 1)
	if micros >= l.micros {
		l.micros = micros
	} else {
		l.micros = micros + (l.micros-micros)*decay(now-l.at)
	}
	l.at = now
}

// fail makes the server less attractive: one that refuses everything within microseconds must not look like the fastest.
func (l *latency) fail(now int64, micros float64) {
	l.micros = max(micros, min(2*l.asOf(now), failureMax), failureFloor)
	l.at = now
}

// asOf is the latency in microseconds as of now; 0 if not known. A busy server's is taken as it is: half a percent of
// forgiveness is not worth a third of a pick's time.
func (l *latency) asOf(now int64) float64 {
	if now-l.at < halfLife/128 {
		return l.micros
	}
	return l.micros * decay(now-l.at)
}

// decay is 2^(-ms/halfLife), linear between the powers: math.Exp for eight servers would be most of a pick's cost.
func decay(ms int64) float64 {
	if ms <= 0 {
		return 1
	}
	shifts := min(uint64(ms)>>halfLifeBits, forgottenShifts)
	part := float64(ms&(halfLife-1)) * (0.5 / halfLife)
	return (1 - part) * math.Float64frombits((1023-shifts)<<52) // the bits of 2^-shifts
}
