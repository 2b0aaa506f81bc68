package config

import (
	"strconv"
	"strings"
	"time"
)

// Duration is a time span such as `200s` or `1m30s`. In a loaded Config, 0 is "without limit", written `off` or `0`.
type Duration time.Duration

// Std returns the duration in the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String is the form that the file takes.
func (d Duration) String() string {
	if d <= 0 {
		return "off"
	}
	s := d.Std().String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// FromText takes `1m30s`, days as `7d`, and `off`.
func (d *Duration) FromText(text string) error {
	if isOffOrZero(text) {
		*d = off
		return nil
	}
	if n, found := strings.CutSuffix(text, "d"); found {
		if days, err := strconv.ParseUint(n, 10, 16); err == nil {
			*d = Duration(days) * Duration(24*time.Hour)
			return nil
		}
	}
	v, err := time.ParseDuration(text)
	if err != nil || v <= 0 {
		return problemf("%q is no duration; write it like 30s, 1m30s or 500ms", text)
	}
	*d = Duration(v)
	return nil
}

func isOffOrZero(text string) bool {
	return text == "off" || text == "false" || text == "0" || text == "0s"
}
