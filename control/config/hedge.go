package config

import (
	"strconv"
	"strings"
)

// Hedge sends a request that only reads (GET, HEAD or OPTIONS, and TRACE where the route names it; without a body) to a second server when the first takes longer than nearly all answers do. Whose answer
// begins first answers; the other connection is closed. A bare value is `at`; `off` is none.
type Hedge struct {
	// When the copy goes out: `p95` is the time within which 95 of 100 answers have come lately.
	At Percentile `yaml:"at,short" default:"p95" example:"p99"`

	// The share of the requests that may be sent twice.
	Budget Percent `yaml:"budget" default:"5%" example:"2%"`

	// Off is set by `hedge: off`.
	Off bool `yaml:"-"`
}

// FromWord takes `on` and `off`.
func (h *Hedge) FromWord(word string) (err error) {
	h.Off, err = isOff(word)
	return err
}

// Percentile is a share of answers, from 0 to 1, written `p95` or `p99.9`.
type Percentile float64

// String is the form that the file takes.
func (p Percentile) String() string { return "p" + strconv.FormatFloat(float64(p)*100, 'g', 6, 64) }

// FromText takes `p50` to `p99.99`.
func (p *Percentile) FromText(text string) error {
	number, found := strings.CutPrefix(text, "p")
	v, err := strconv.ParseFloat(number, 64)
	if !found || err != nil || !(v >= 50 && v <= 99.99) {
		return problemf("%q is no percentile; write it like p95, from p50 to p99.99", text)
	}
	*p = Percentile(v / 100)
	return nil
}
