package config

import (
	"strconv"
	"strings"
)

// StatusRange is a range of status codes, written `200`, `2xx` or `200-399`.
type StatusRange struct{ First, Last int }

// Contains reports whether the status is in the range.
func (r StatusRange) Contains(status int) bool { return r.First <= status && status <= r.Last }

// String is the form that the file takes.
func (r StatusRange) String() string {
	if r.First == r.Last {
		return strconv.Itoa(r.First)
	}
	return strconv.Itoa(r.First) + "-" + strconv.Itoa(r.Last)
}

// FromText takes `200`, `2xx` and `200-399`.
func (r *StatusRange) FromText(text string) error {
	first, last, isRange := strings.Cut(text, "-")
	if class, found := strings.CutSuffix(text, "xx"); found {
		first, last, isRange = class+"00", class+"99", true
	}
	if !isRange {
		last = first
	}
	a, errA := strconv.Atoi(first)
	b, errB := strconv.Atoi(last)
	if errA != nil || errB != nil || a < 100 || b > 599 || b < a {
		return problemf("%q is no status; write it like 200, 2xx or 200-399", text)
	}
	*r = StatusRange{a, b}
	return nil
}
