package filter

import "bytes"

// QueryEdit changes query parameters: first those that are removed or set are dropped, then the new ones are appended. Immutable once
// it is in use.
type QueryEdit struct {
	dropsAll bool
	drops    []string
	pairs    []parameter
}

type parameter struct {
	name  string // encoded, with "="
	value *Template
}

// NewQueryEdit makes an empty edit, to be filled before use.
func NewQueryEdit() *QueryEdit { return &QueryEdit{} }

// Remove takes the parameters of that name out; "*" takes all.
func (e *QueryEdit) Remove(name string) {
	e.dropsAll = e.dropsAll || name == "*"
	e.drops = append(e.drops, name)
}

// Set replaces all parameters of that name by one. Name and value are not encoded; groups are the names of the expression's groups, by number.
func (e *QueryEdit) Set(name, value string, groups ...string) error {
	e.drops = append(e.drops, name)
	return e.Add(name, value, groups...)
}

// Add adds a parameter to those of its name, likewise.
func (e *QueryEdit) Add(name, value string, groups ...string) error {
	t, err := ParseParameter(value, groups...)
	if err == nil {
		e.pairs = append(e.pairs, parameter{string(appendEncoded(nil, []byte(name))) + "=", t})
	}
	return err
}

func (e *QueryEdit) usesGroups() bool {
	if e == nil {
		return false
	}
	for i := range e.pairs {
		if e.pairs[i].value.UsesGroups() {
			return true
		}
	}
	return false
}

// append appends the query with its "?", nothing if no parameter is left.
func (e *QueryEdit) append(dst []byte, f *Facts) []byte {
	mark := byte('?')
	for query := f.Query; len(query) > 0; {
		pair := query
		if end := bytes.IndexByte(query, '&'); end >= 0 {
			pair, query = query[:end], query[end+1:]
		} else {
			query = nil
		}
		if len(pair) > 0 && !e.isDropped(pair) {
			dst = append(append(dst, mark), pair...)
			mark = '&'
		}
	}
	for i := range e.pairs {
		dst = append(append(dst, mark), e.pairs[i].name...)
		dst = e.pairs[i].value.Append(dst, f)
		mark = '&'
	}
	return dst
}

func (e *QueryEdit) isDropped(pair []byte) bool {
	if e.dropsAll {
		return true
	}
	name, _, _ := bytes.Cut(pair, equalsSign)
	for _, d := range e.drops {
		if EqualDecoded(name, d) {
			return true
		}
	}
	return false
}

var equalsSign = []byte("=")
