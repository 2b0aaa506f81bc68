package filter

import (
	"fmt"
	"strings"
)

// Template is a text with variables: {host}, {path}, {query}, {uri}, {scheme}, {method}, {port}, {client_ip}, {header:NAME}, and "*" or
// $1 … $9 for what the route's path took. Immutable.
type Template struct {
	place place
	parts []part
}

// place is where the text goes, which says what a value may bring.
type place uint8

const (
	inField     place = iota // a field's value: no byte that ends a line
	inPath                   // a request's path: no byte that ends it; slashes only out of the request's own path
	inParameter              // the value of a query parameter: all encoded
)

// part is a literal, already encoded for its place, or a variable when variable is set.
type part struct {
	literal  string
	variable variable
	name     string // of the header field
	group    int
}

// ParseTemplate compiles the text of a field or a Location. With groups, "*" and $1 … $9 are variables too; without, they are plain text.
func ParseTemplate(text string, groups bool) (*Template, error) { return parse(text, inField, groups) }

// ParsePath compiles the path of a rewrite.
func ParsePath(text string) (*Template, error) { return parse(text, inPath, true) }

// ParseParameter compiles the value of a query parameter; the text is not encoded.
func ParseParameter(text string) (*Template, error) { return parse(text, inParameter, false) }

// Literal is a template without variables, whatever the text holds.
func Literal(text string) *Template {
	t := &Template{}
	t.addLiteral(text)
	return t
}

// UsesGroups reports whether the text depends on what the route's path took.
func (t *Template) UsesGroups() bool {
	if t == nil {
		return false
	}
	for i := range t.parts {
		if t.parts[i].variable == varGroup {
			return true
		}
	}
	return false
}

// FieldNames are the names of the request fields whose values the text takes.
func (t *Template) FieldNames() (names []string) {
	if t == nil {
		return nil
	}
	for i := range t.parts {
		if t.parts[i].variable == varHeader {
			names = append(names, t.parts[i].name)
		}
	}
	return names
}

func parse(text string, place place, groups bool) (*Template, error) {
	t := &Template{place: place}
	from := 0
	for i := 0; i < len(text); {
		p, n, err := variableAt(text, i, groups)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			i++
			continue
		}
		t.addLiteral(text[from:i])
		t.parts = append(t.parts, p)
		i += n
		from = i
	}
	t.addLiteral(text[from:])
	return t, nil
}

func (t *Template) addLiteral(text string) {
	if text == "" {
		return
	}
	var b []byte
	switch t.place {
	case inField:
		b = appendSafe(b, []byte(text))
	case inPath:
		b = appendPathBytes(b, []byte(text))
	case inParameter:
		b = appendEncoded(b, []byte(text))
	}
	t.parts = append(t.parts, part{literal: string(b)})
}

// variableAt reads the variable that begins at text[i] and how many bytes name it; 0 when plain text stands there. Braces around anything
// but a word are plain text, and so is "${".
func variableAt(text string, i int, groups bool) (p part, n int, err error) {
	switch c := text[i]; {
	case groups && c == '*':
		return part{variable: varGroup}, 1, nil
	case groups && c == '$' && i+1 < len(text) && '0' <= text[i+1] && text[i+1] <= '9':
		return part{variable: varGroup, group: int(text[i+1] - '0')}, 2, nil
	case c != '{' || i > 0 && text[i-1] == '$':
		return part{}, 0, nil
	}
	name, _, closed := strings.Cut(text[i+1:], "}")
	if !closed {
		return part{}, 0, nil
	}
	n = len(name) + 2
	if field, isField := strings.CutPrefix(name, "header:"); isField && field != "" {
		return part{variable: varHeader, name: field}, n, nil
	}
	if v := variableOf(name); v != none {
		return part{variable: v}, n, nil
	}
	if isWord(name) {
		return part{}, 0, fmt.Errorf("there is no variable {%s}; there are {%s} and {header:NAME}", name, strings.Join(Variables(), "}, {"))
	}
	return part{}, 0, nil
}

func isWord(name string) bool {
	for i := range len(name) {
		c := name[i]
		if c != '_' && (c < 'a' || 'z' < c) && (c < 'A' || 'Z' < c) && (i == 0 || c < '0' || '9' < c) {
			return false
		}
	}
	return name != ""
}

// Append appends the text with its variables' values, none of which can leave its place.
func (t *Template) Append(dst []byte, f *Facts) []byte {
	for i := range t.parts {
		p := &t.parts[i]
		if p.variable == none {
			dst = append(dst, p.literal...)
			continue
		}
		dst = t.place.appendValue(dst, p, f)
	}
	return dst
}

// appendPath is Append for a path. Not ok: a value that is no part of the request's own path has brought a slash, a backslash or NUL, by
// which a server that decodes it could be led to another path.
func (t *Template) appendPath(dst []byte, f *Facts) (out []byte, ok bool) {
	for i := range t.parts {
		p := &t.parts[i]
		if p.variable == none {
			dst = append(dst, p.literal...)
			continue
		}
		start := len(dst)
		dst = inPath.appendValue(dst, p, f)
		if !p.variable.isOwnPath() && hidesSlash(dst[start:]) {
			return dst, false
		}
	}
	return dst, true
}

// isOwnPath reports whether the value is of the request's own path, whose readings have been compared.
func (v variable) isOwnPath() bool { return v == varPath || v == varGroup }

// hidesSlash looks for an encoded slash, backslash or NUL.
func hidesSlash(b []byte) bool {
	for i := 0; i+2 < len(b); i++ {
		if b[i] != '%' {
			continue
		}
		if v := unhex(b[i+1])<<4 | unhex(b[i+2]); v == '/' || v == '\\' || v == 0 {
			return true
		}
	}
	return false
}

// SaysQuery reports whether the text decides about the query itself: it has a variable for it, or a "?" or "#" of its own.
func (t *Template) SaysQuery() bool {
	for i := range t.parts {
		p := &t.parts[i]
		if p.variable == varQuery || p.variable == varURI || strings.ContainsAny(p.literal, "?#") {
			return true
		}
	}
	return false
}
