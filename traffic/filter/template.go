package filter

import (
	"fmt"
	"strings"
)

// Template is a text with variables: {host}, {path}, {query}, {uri}, {scheme}, {method}, {port}, {client_ip}, {header:NAME}, and "*" or
// $1 … $9 for what the route's path took. Immutable.
type Template struct {
	place   place
	parts   []part
	queryAt int // of the first part of the query, with its "?", in the path of a rewrite or a Location; len(parts) if there is none
}

// place is where the text goes, which says what a value may bring.
type place uint8

const (
	inField     place = iota // a field's value: no byte that ends a line
	inPath                   // a request's path: no byte that ends it; slashes only out of the request's own path
	inParameter              // the value of a query parameter: all encoded
	inQuery                  // a query: what comes of a path brings its encodings, and no value a parameter of its own
)

// part is a literal, already encoded for its place, or a variable when variable is set.
type part struct {
	literal  string
	place    place // of a variable
	variable variable
	name     string // of the header field
	group    int
}

// groups says which signs stand for what the route's path took.
type groups struct {
	star, dollar bool     // "*", and $1 … $9
	names        []string // of the expression's groups, by number; "" has none
}

// ParseTemplate compiles the text of a field: "*" and $1 are plain text.
func ParseTemplate(text string) (*Template, error) { return parse(text, inField, groups{}) }

// ParseLocation compiles a Location; names are those of the expression's groups, by number.
func ParseLocation(text string, names ...string) (*Template, error) {
	return parse(text, inField, groups{star: true, dollar: true, names: names})
}

// ParsePath compiles the path of a rewrite, which may have a query behind it.
func ParsePath(text string, names ...string) (*Template, error) {
	return parse(text, inPath, groups{star: true, dollar: true, names: names})
}

// ParseParameter compiles the value of a query parameter; the text is not encoded.
func ParseParameter(text string, names ...string) (*Template, error) {
	return parse(text, inParameter, groups{dollar: true, names: names})
}

// Literal is a template without variables, whatever the text holds.
func Literal(text string) *Template {
	t := &Template{queryAt: -1}
	t.addLiteral(text, false)
	t.queryAt = len(t.parts)
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

func parse(text string, place place, g groups) (*Template, error) {
	t := &Template{place: place, queryAt: -1}
	from := 0
	for i := 0; i < len(text); {
		p, n, err := variableAt(text, i, g)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			i++
			continue
		}
		t.addLiteral(text[from:i], g.star)
		if p.variable == none {
			t.addLiteral(p.literal, false)
		} else {
			p.place = t.placeNow()
			t.parts = append(t.parts, p)
		}
		i += n
		from = i
	}
	t.addLiteral(text[from:], g.star)
	if t.queryAt < 0 {
		t.queryAt = len(t.parts)
	}
	return t, nil
}

// placeNow is where the next part stands.
func (t *Template) placeNow() place {
	if t.queryAt >= 0 {
		return inQuery
	}
	return t.place
}

// addLiteral adds plain text. In a URL the first "?" begins the query.
func (t *Template) addLiteral(text string, isURL bool) {
	if at := strings.IndexByte(text, '?'); isURL && at >= 0 && t.queryAt < 0 {
		t.addLiteral(text[:at], false)
		t.queryAt = len(t.parts)
		t.addLiteral(text[at:], false)
		return
	}
	if text == "" {
		return
	}
	var b []byte
	switch t.placeNow() {
	case inField:
		b = appendSafe(b, []byte(text))
	case inPath:
		b = appendPathBytes(b, []byte(text))
	case inParameter:
		b = appendEncoded(b, []byte(text))
	case inQuery:
		b = appendQueryBytes(b, []byte(text))
	}
	t.parts = append(t.parts, part{literal: string(b)})
}

// variableAt reads the variable that begins at text[i] and how many bytes name it; 0 when plain text stands there. "$$" is a literal "$". Braces around
// anything but a name are plain text, and so is "${".
func variableAt(text string, i int, g groups) (p part, n int, err error) {
	switch c := text[i]; {
	case g.star && c == '*':
		return part{variable: varGroup}, 1, nil
	case c == '$':
		return dollarAt(text[i+1:], g)
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

// dollarAt reads what stands behind a "$".
func dollarAt(rest string, g groups) (p part, n int, err error) {
	switch {
	case rest == "":
		return part{}, 0, nil
	case rest[0] == '$':
		return part{literal: "$"}, 2, nil
	case g.dollar && '0' <= rest[0] && rest[0] <= '9':
		return part{variable: varGroup, group: int(rest[0] - '0')}, 2, nil
	}
	name := rest[:WordLen(rest)]
	if name == "" {
		return part{}, 0, nil
	}
	for i, known := range g.names {
		if known == name {
			return part{variable: varGroup, group: i}, 1 + len(name), nil
		}
	}
	return part{}, 0, fmt.Errorf("there is no group $%s; variables stand in braces, and $$ is a dollar sign", name)
}

// WordLen is the length of the word that text begins with: a letter or "_", then letters, digits and "_".
func WordLen(text string) int {
	for i := range len(text) {
		c := text[i]
		if c != '_' && (c < 'a' || 'z' < c) && (c < 'A' || 'Z' < c) && (i == 0 || c < '0' || '9' < c) {
			return i
		}
	}
	return len(text)
}

// isWord reports whether a text in braces looks like a name: a word, maybe with "-", "." and ":" in it.
func isWord(name string) bool {
	for _, part := range strings.FieldsFunc(name, func(c rune) bool { return c == '-' || c == '.' || c == ':' }) {
		if WordLen(part) != len(part) {
			return false
		}
	}
	return WordLen(name) > 0
}

// Append appends the text with its variables' values, none of which can leave its place.
func (t *Template) Append(dst []byte, f *Facts) []byte {
	for i := range t.parts {
		p := &t.parts[i]
		if p.variable == none {
			dst = append(dst, p.literal...)
			continue
		}
		dst = p.place.appendValue(dst, p, f)
	}
	return dst
}

// appendPath is Append for a path. Not ok: a value that is no part of the request's own path has brought a slash, a backslash or NUL, by
// which a server that decodes it could be led to another path.
func (t *Template) appendPath(dst []byte, f *Facts) (out []byte, ok bool) {
	for i := range t.parts[:t.queryAt] {
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

// hasQuery reports whether the path of a rewrite has a query of its own.
func (t *Template) hasQuery() bool { return t != nil && t.queryAt < len(t.parts) }

// appendQuery appends the query of a rewrite, with its "?" unless it is empty.
func (t *Template) appendQuery(dst []byte, f *Facts) []byte {
	start := len(dst)
	for i := range t.parts[t.queryAt:] {
		p := &t.parts[t.queryAt+i]
		if p.variable == none {
			dst = append(dst, p.literal...)
		} else {
			dst = inQuery.appendValue(dst, p, f)
		}
	}
	if len(dst) == start+1 {
		return dst[:start]
	}
	return dst
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
