package main

import (
	"fmt"
	"math"
	"slices"
)

// A verdict is a target and what was reached.
type verdict struct {
	Target target
	Value  float64 // the median of the rounds' ratios, or of weir's values
	Lowest float64 // of the rounds
	Most   float64
	Passed bool
}

// judge compares weir with the target. A ratio is taken within each round, so that what the machine did meanwhile
// falls on both sides of it.
func (a *answer) judge(t target) verdict {
	values := a.values("weir", t.Figure)
	if t.Peer != "" {
		for i, peer := range a.values(t.Peer, t.Figure) {
			values[i] /= peer
		}
	}
	v := verdict{Target: t, Value: median(values), Lowest: slices.Min(values), Most: slices.Max(values)}
	v.Passed = v.Value <= t.Bound
	if t.AtLeast {
		v.Passed = v.Value >= t.Bound
	}
	return v
}

// subject says what is compared.
func (v verdict) subject() string {
	if v.Target.Peer == "" {
		return v.Target.Figure + " of weir"
	}
	return v.Target.Figure + " weir/" + v.Target.Peer
}

// bound says what is wanted.
func (v verdict) bound() string {
	sign := "≤"
	if v.Target.AtLeast {
		sign = "≥"
	}
	return fmt.Sprintf("%s %.4g", sign, v.Target.Bound)
}

// outcome says whether it was reached.
func (v verdict) outcome() string {
	if v.Passed {
		return "passed"
	}
	return "missed"
}

// median returns the middle value, or the mean of the two in the middle.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
