package snapshot

import (
	"time"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/telemetry/accesslog"
)

// logFilter is which exchanges are logged; nil for none.
func logFilter(a *config.AccessLog) *accesslog.Filter {
	if a.Off {
		return nil
	}
	f := &accesslog.Filter{Slower: a.When.Slower.Std().Microseconds(), Share: float64(a.Sample)}
	for _, s := range a.When.Status {
		f.Statuses = append(f.Statuses, accesslog.Range{From: s.First, To: s.Last})
	}
	return f
}

// LogFormat is the form of the access log's lines, and what its files begin with.
func LogFormat(a *config.AccessLog) (line accesslog.Format, head func(time.Time) string, err error) {
	if a.Format == "w3c" {
		return accesslog.W3C(a.Fields)
	}
	if line := accesslog.Formats()[a.Format]; line != nil {
		return line, nil, nil
	}
	line, err = accesslog.ParseTemplate(a.Format)
	return line, nil, err
}
