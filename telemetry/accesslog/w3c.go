package accesslog

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// w3cDefault are the columns that IIS writes by default, as far as a proxy has them, and which server answered.
var w3cDefault = []string{"date", "time", "c-ip", "cs-method", "cs-host", "cs-uri-stem", "cs-uri-query", "cs-version", "sc-status", "sc-bytes", "cs-bytes",
	"time-taken", "cs(User-Agent)", "cs(Referer)", "x-server", "x-reason"}

// W3C is the W3C's Extended Log File Format: its lines, and the directives that a file begins with. No columns are the default ones.
// Reference: W3C Working Draft WD-logfile-960323. Times are UTC; time-taken is in milliseconds as IIS has it.
func W3C(columns []string) (line Format, head func(now time.Time) string, err error) {
	if len(columns) == 0 {
		columns = w3cDefault
	}
	var chosen []*field
	for _, name := range columns {
		i := slices.IndexFunc(fields, func(f field) bool { return f.w3c == name })
		if i < 0 || name == "" {
			return nil, nil, fmt.Errorf("%q is no column of a log; there are %s", name, strings.Join(Columns(), ", "))
		}
		chosen = append(chosen, &fields[i])
	}
	line = func(dst []byte, r *Record) []byte {
		for i, f := range chosen {
			if i > 0 {
				dst = append(dst, ' ')
			}
			dst = appendColumn(dst, f, r)
		}
		return append(dst, '\n')
	}
	head = func(now time.Time) string {
		return "#Version: 1.0\n#Software: weir\n#Date: " + now.UTC().Format(time.DateTime) + "\n#Fields: " + strings.Join(columns, " ") + "\n"
	}
	return line, head, nil
}

// appendColumn writes a value without blanks, as IIS does: "+" stands for one.
func appendColumn(dst []byte, f *field, r *Record) []byte {
	at := len(dst)
	dst = f.append(dst, r)
	if len(dst) == at {
		return append(dst, '-')
	}
	if !f.isText {
		return dst
	}
	if needsEscape(dst[at:]) {
		value := string(dst[at:])
		dst = appendQuoted(dst[:at], []byte(value))
	}
	for i := at; i < len(dst); i++ {
		if dst[i] == ' ' {
			dst[i] = '+'
		}
	}
	return dst
}
