package filter

import "regexp"

// Rewrite makes the path and query that the server gets. Immutable.
type Rewrite struct {
	Path    *Template      // nil: the path stays
	Pattern *regexp.Regexp // gives Path its groups in place of the route's own; a path that it does not match stays
	Query   *QueryEdit
}

// Append appends the new path and query. f.Groups are those of the route's path.
func (r *Rewrite) Append(dst []byte, f *Facts) []byte {
	start := len(dst)
	switch {
	case r.Path == nil:
		dst = append(dst, f.Path...)
	case r.Pattern != nil:
		m := r.Pattern.FindSubmatch(f.Path)
		if m == nil {
			dst = append(dst, f.Path...)
			break
		}
		own := f.Groups
		f.Groups = m
		dst = r.Path.Append(dst, f)
		f.Groups = own
	default:
		dst = r.Path.Append(dst, f)
	}
	if len(dst) == start || dst[start] != '/' {
		dst = append(dst, 0)
		copy(dst[start+1:], dst[start:])
		dst[start] = '/'
	}
	for i := start; i < len(dst); i++ {
		if dst[i] == ' ' || dst[i] == '#' {
			dst[i] = '_' // a template's value cannot break the request line
		}
	}
	if r.Query != nil {
		return r.Query.append(dst, f.Query)
	}
	if f.HasQuery {
		dst = append(dst, '?')
		dst = append(dst, f.Query...)
	}
	return dst
}
