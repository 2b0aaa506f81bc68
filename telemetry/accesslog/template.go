package accesslog

import (
	"fmt"
	"strings"
)

// ParseTemplate makes a format of a text with names in braces, as "{client} {method} {target} {status}". "{{" is a brace. What clients and servers have
// written is escaped as in combined; what is empty is "-".
func ParseTemplate(template string) (Format, error) {
	var parts []part
	for rest := template; rest != ""; {
		before, after, found := strings.Cut(rest, "{")
		parts = append(parts, part{literal: before})
		if !found {
			break
		}
		if brace, isBrace := strings.CutPrefix(after, "{"); isBrace {
			parts = append(parts, part{literal: "{"})
			rest = brace
			continue
		}
		name, next, found := strings.Cut(after, "}")
		f := fieldOf(name)
		if !found || f == nil {
			return nil, fmt.Errorf("{%s} is no field of a log line; there are %s", name, strings.Join(Variables(), ", "))
		}
		parts = append(parts, part{field: f})
		rest = next
	}
	return func(dst []byte, r *Record) []byte {
		for i := range parts {
			dst = parts[i].appendTo(dst, r)
		}
		return append(dst, '\n')
	}, nil
}

// part is a literal or a field.
type part struct {
	literal string
	field   *field
}

func (p *part) appendTo(dst []byte, r *Record) []byte {
	if p.field == nil {
		return append(dst, p.literal...)
	}
	at := len(dst)
	dst = p.field.append(dst, r)
	switch {
	case len(dst) == at:
		return append(dst, '-')
	case p.field.isText && needsEscape(dst[at:]):
		value := string(dst[at:])
		return appendQuoted(dst[:at], []byte(value))
	}
	return dst
}

func needsEscape(b []byte) bool {
	for _, c := range b {
		if c == '"' || c == '\\' || c < ' ' || c >= 0x7f {
			return true
		}
	}
	return false
}
