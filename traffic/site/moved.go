package site

import "iter"

// Moved is a table of exact paths, each with what it has become: all queries of a path, or certain ones. Immutable.
type Moved struct {
	folds   bool
	paths   map[string]*Redirect
	queries map[string]map[string]*Redirect // by path and query; not nil: paths is nil
}

// MovedPath is an entry of a table.
type MovedPath struct {
	Path     string
	Query    string // without '?'
	HasQuery bool
	Redirect *Redirect
}

// NewMoved makes a table of the entries with a query, and one of the others; nil without any. Their paths are in normal form, and no two entries are for the same requests. With
// folds, paths know no case, and those of the entries are in lower case.
func NewMoved(entries []MovedPath, folds bool) (plain, withQuery *Moved) {
	plain, withQuery = &Moved{folds: folds, paths: map[string]*Redirect{}}, &Moved{folds: folds, queries: map[string]map[string]*Redirect{}}
	for i := range entries {
		e := &entries[i]
		if !e.HasQuery {
			plain.paths[e.Path] = e.Redirect
			continue
		}
		if withQuery.queries[e.Path] == nil {
			withQuery.queries[e.Path] = map[string]*Redirect{}
		}
		withQuery.queries[e.Path][e.Query] = e.Redirect
	}
	if len(plain.paths) == 0 {
		plain = nil
	}
	if len(withQuery.queries) == 0 {
		withQuery = nil
	}
	return plain, withQuery
}

// Pattern is the path pattern of the table's paths; name stands for it where people read it.
func (m *Moved) Pattern(name string) *PathPattern {
	return &PathPattern{kind: pathExact, text: name, moved: m}
}

// Of is what a path in normal form has become; nil if it has not moved, or not with that query.
func (m *Moved) Of(path, query []byte) *Redirect {
	if m.folds {
		var short [256]byte
		path = appendLower(short[:0], path)
	}
	if m.queries != nil {
		return m.queries[string(path)][string(query)]
	}
	return m.paths[string(path)]
}

// has reports whether the table has the path, in lower case where it knows no case.
func (m *Moved) has(path []byte) bool {
	if m.queries != nil {
		return m.queries[string(path)] != nil
	}
	return m.paths[string(path)] != nil
}

// all is every redirect.
func (m *Moved) all() iter.Seq[*Redirect] {
	return func(yield func(*Redirect) bool) {
		if m == nil {
			return
		}
		for _, d := range m.paths {
			if !yield(d) {
				return
			}
		}
		for _, of := range m.queries {
			for _, d := range of {
				if !yield(d) {
					return
				}
			}
		}
	}
}

// exact is the paths that a pattern of kind pathExact takes.
func (p *PathPattern) exact() iter.Seq[string] {
	return func(yield func(string) bool) {
		switch m := p.moved; {
		case m == nil:
			yield(p.text)
		case m.queries != nil:
			for path := range m.queries {
				if !yield(path) {
					return
				}
			}
		default:
			for path := range m.paths {
				if !yield(path) {
					return
				}
			}
		}
	}
}
