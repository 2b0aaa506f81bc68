package config

import (
	"strconv"
	"strings"
)

// Percent is a share from 0 to 1, written `20%` or `0.2`. In a loaded Config 0 is 0, written `0` or `off`.
type Percent float64

// String is the form that the file takes.
func (p Percent) String() string {
	return strconv.FormatFloat(max(0, float64(p)*100), 'g', 6, 64) + "%"
}

// FromText takes `20%`, `0.2` and `off`.
func (p *Percent) FromText(text string) error {
	if isOffOrZero(text) || text == "0%" {
		*p = off
		return nil
	}
	number, unit := text, 1.0
	if n, found := strings.CutSuffix(text, "%"); found {
		number, unit = n, 100
	}
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || !(v > 0) || v/unit > 1 {
		return problemf("%q is no share; write it like 20%% or 0.2", text)
	}
	*p = Percent(v / unit)
	return nil
}

// Count is a number of times. In a loaded Config 0 is none, written `0` or `off`.
type Count int

// String is the form that the file takes.
func (c Count) String() string { return strconv.Itoa(max(0, int(c))) }

// FromText takes a whole number and `off`.
func (c *Count) FromText(text string) error {
	if isOffOrZero(text) {
		*c = off
		return nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return problemf("%q is no count; write a whole number from 0 to 65535", text)
	}
	*c = Count(n)
	return nil
}
