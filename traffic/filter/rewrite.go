package filter

import (
	"regexp"

	"github.com/weir-proxy/weir/wire/message"
)

// Rewrite makes the path and query that the server gets. Immutable.
type Rewrite struct {
	Path    *Template      // of ParsePath; nil: the path stays, and so does the query unless Path has one
	Pattern *regexp.Regexp // gives Path its groups in place of the route's own; a path that it does not match stays
	Query   *QueryEdit     // nil: the query stays
}

// UsesGroups reports whether f.Groups are needed.
func (r *Rewrite) UsesGroups() bool {
	return r != nil && (r.Pattern == nil && r.Path.UsesGroups() || r.Query.usesGroups())
}

// FieldNames are the names of the request fields whose values the rewrite takes.
func (r *Rewrite) FieldNames() (names []string) {
	if r == nil {
		return nil
	}
	names = r.Path.FieldNames()
	if r.Query != nil {
		for i := range r.Query.pairs {
			names = append(names, r.Query.pairs[i].value.FieldNames()...)
		}
	}
	return names
}

// Append appends the new path and query; f.Groups are those of the route's path. Not ok: the new path has no single normal form, and the
// request must be refused, as the server could be made to read another path than weir's rules have seen.
func (r *Rewrite) Append(dst []byte, f *Facts) (out []byte, ok bool) {
	own := f.Groups
	defer func() { f.Groups = own }()
	applies := r.Path != nil
	if r.Pattern != nil {
		f.Groups = r.Pattern.FindSubmatch(f.Path)
		applies = applies && f.Groups != nil
	}
	if !applies {
		dst = append(dst, f.Path...)
	} else {
		start := len(dst)
		if dst, ok = r.Path.appendPath(dst, f); !ok {
			return dst[:start], false
		}
		if dst, ok = normalize(dst, start); !ok {
			return dst[:start], false
		}
	}
	switch {
	case r.Query != nil:
		return r.Query.append(dst, f), true
	case applies && r.Path.hasQuery():
		return r.Path.appendQuery(dst, f), true
	case f.HasQuery:
		dst = append(dst, '?')
		dst = append(dst, f.Query...)
	}
	return dst, true
}

// normalize brings the path in b[start:] into normal form, in place, as it never grows but for its first slash. Dot segments are refused
// and not resolved: the request had none, so a value brought them, to leave the place it was meant for.
func normalize(b []byte, start int) ([]byte, bool) {
	if len(b) == start || b[start] != '/' {
		b = append(b, 0)
		copy(b[start+1:], b[start:])
		b[start] = '/'
	}
	if message.IsNormalPath(b[start:]) {
		return b, true
	}
	if hasDotSegment(b[start:]) {
		return b, false
	}
	b, err := message.AppendNormalPath(b[:start], b[start:])
	return b, err == nil
}

// hasDotSegment looks for segments "." and "..", in clear or encoded.
func hasDotSegment(path []byte) bool {
	dots, others := 0, 0
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '/':
			if others == 0 && (dots == 1 || dots == 2) {
				return true
			}
			dots, others = 0, 0
		case c == '.':
			dots++
		case c == '%' && i+2 < len(path) && path[i+1] == '2' && path[i+2]|0x20 == 'e':
			dots++
			i += 2
		default:
			others++
		}
	}
	return others == 0 && (dots == 1 || dots == 2)
}
