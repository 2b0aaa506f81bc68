package accesslog

import (
	"math/rand/v2"

	"github.com/weir-proxy/weir/telemetry/reason"
)

// Filter says which exchanges are logged. Immutable; the zero value takes all.
type Filter struct {
	Statuses []Range // these, and nothing else but what is slow or failed; none: all
	Slower   int64   // these, in microseconds of duration; 0: none
	Share    float64 // of those that neither Statuses, nor Slower, nor a failure lets in; 0: all without Statuses and Slower, else none
}

// Range is a range of statuses with both ends.
type Range struct{ From, To int }

// Takes decides. What failed on weir's or a server's side is always logged: that is what logs are for.
func (f *Filter) Takes(status int, why reason.Reason, micros int64) bool {
	if f.isEmpty() {
		return true
	}
	for _, r := range f.Statuses {
		if r.From <= status && status <= r.To {
			return true
		}
	}
	if f.Slower > 0 && micros >= f.Slower || status >= 500 || why.Side() == "server" || why.Side() == "weir" {
		return true
	}
	return f.Share > 0 && rand.Float64() < f.Share
}

func (f *Filter) isEmpty() bool { return len(f.Statuses) == 0 && f.Slower == 0 && f.Share == 0 }
