package filter

import (
	"fmt"
	"strings"
)

// Template is a text with variables: {host}, {path}, {query}, {uri}, {scheme}, {method}, {port}, {client_ip}, {header:NAME}, and "*" or
// $1 … $9 for what the route's path took. Immutable.
type Template struct{ parts []part }

// part is a literal, or a variable when variable is set.
type part struct {
	literal  string
	variable variable
	name     string // of the header field
	group    int
}

type variable uint8

const (
	none variable = iota
	varHost
	varPath
	varQuery
	varURI
	varScheme
	varMethod
	varPort
	varClientIP
	varHeader
	varGroup
)

var variables = map[string]variable{
	"host": varHost, "path": varPath, "query": varQuery, "uri": varURI, "scheme": varScheme, "method": varMethod,
	"port": varPort, "client_ip": varClientIP,
}

// Variables are the names that a template may have in braces; header:NAME besides.
func Variables() []string {
	return []string{"host", "path", "query", "uri", "scheme", "method", "port", "client_ip"}
}

// ParseTemplate compiles text. With groups, "*" and $1 … $9 are variables too; without, they are plain text.
func ParseTemplate(text string, groups bool) (*Template, error) {
	t := &Template{}
	literal := strings.Builder{}
	flush := func() {
		if literal.Len() > 0 {
			t.parts = append(t.parts, part{literal: literal.String()})
			literal.Reset()
		}
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '{':
			end := strings.IndexByte(text[i:], '}')
			if end < 0 {
				return nil, fmt.Errorf("%q has a { without its }", text)
			}
			name := text[i+1 : i+end]
			p := part{variable: variables[name]}
			if field, ok := strings.CutPrefix(name, "header:"); ok && field != "" {
				p = part{variable: varHeader, name: field}
			}
			if p.variable == none {
				return nil, fmt.Errorf("there is no variable {%s}; there are {%s} and {header:NAME}", name, strings.Join(Variables(), "}, {"))
			}
			flush()
			t.parts = append(t.parts, p)
			i += end
		case groups && c == '*':
			flush()
			t.parts = append(t.parts, part{variable: varGroup})
		case groups && c == '$' && i+1 < len(text) && '0' <= text[i+1] && text[i+1] <= '9':
			flush()
			t.parts = append(t.parts, part{variable: varGroup, group: int(text[i+1] - '0')})
			i++
		default:
			literal.WriteByte(c)
		}
	}
	flush()
	return t, nil
}

// Append appends the text with its variables' values. A value can end neither a line nor a field: bytes that could are left out.
func (t *Template) Append(dst []byte, f *Facts) []byte {
	for i := range t.parts {
		p := &t.parts[i]
		switch p.variable {
		case none:
			dst = append(dst, p.literal...)
		case varHost:
			dst = appendSafe(dst, f.Host)
		case varPath:
			dst = appendSafe(dst, f.Path)
		case varQuery:
			dst = appendSafe(dst, f.Query)
		case varURI:
			dst = appendSafe(dst, f.Path)
			if f.HasQuery {
				dst = append(dst, '?')
				dst = appendSafe(dst, f.Query)
			}
		case varScheme:
			dst = append(dst, f.Scheme...)
		case varMethod:
			dst = appendSafe(dst, f.Method)
		case varPort:
			dst = appendSafe(dst, f.Port)
		case varClientIP:
			if f.Client.IsValid() {
				dst = f.Client.AppendTo(dst)
			}
		case varHeader:
			if f.Field != nil {
				dst = appendSafe(dst, f.Field(p.name))
			}
		case varGroup:
			if p.group < len(f.Groups) {
				dst = appendSafe(dst, f.Groups[p.group])
			}
		}
	}
	return dst
}

func appendSafe(dst, v []byte) []byte {
	for _, c := range v {
		if c >= ' ' && c != 0x7f || c == '\t' {
			dst = append(dst, c)
		}
	}
	return dst
}
