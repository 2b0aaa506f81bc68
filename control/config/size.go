package config

import (
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes such as `64KiB` or `2GiB`. In a loaded Config, 0 is "without limit", written `off` or `0`.
type Size int64

// sizeUnits lists the units from large to small: binary ones first, so that String prefers them.
var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"KB", 1e3}, {"B", 1},
}

// String is the form that the file takes.
func (s Size) String() string {
	if s <= 0 {
		return "off"
	}
	for _, u := range sizeUnits {
		if int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// FromText takes a number of bytes with or without a unit, and `off`.
func (s *Size) FromText(text string) error {
	if isOffOrZero(text) {
		*s = off
		return nil
	}
	number, unit := text, int64(1)
	for _, u := range sizeUnits {
		if n, found := strings.CutSuffix(text, u.name); found {
			number, unit = strings.TrimRight(n, " "), u.bytes
			break
		}
	}
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || !(v > 0) || v*float64(unit) > math.MaxInt64/2 || v*float64(unit) < 1 {
		return problemf("%q is no size; write it like 64KiB, 10MiB or 2GiB", text)
	}
	*s = Size(v * float64(unit))
	return nil
}
