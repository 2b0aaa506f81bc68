package site

import (
	"slices"
	"strings"
)

// Unreachable is a route that no request can reach, since By is asked before and takes all its requests.
type Unreachable struct{ Route, By *Route }

// comparedMost bounds how many routes of a site are compared each with each.
const comparedMost = 1000

// unreachable finds routes that can never match. It may miss some: what it names is certain.
func unreachable(s *Site) (list []Unreachable) {
	for i, r := range s.routes[:min(len(s.routes), comparedMost)] {
		for _, by := range s.routes[:i] {
			if by.Match.Path.covers(r.Match.Path) && by.Match.covers(&r.Match) {
				list = append(list, Unreachable{r, by})
				break
			}
		}
	}
	return list
}

// covers reports whether p takes every path that other takes; it may say no where the answer is yes.
func (p *PathPattern) covers(other *PathPattern) bool {
	switch {
	case p.kind == other.kind && p.text == other.text:
		return true
	case other.moved != nil:
		return p.kind == pathPrefix && p.text == ""
	case other.kind == pathExact:
		return p.Matches([]byte(other.text))
	case other.kind == pathPrefix && p.kind == pathPrefix:
		return p.Matches([]byte(other.text))
	case other.kind == pathPrefix && p.kind == pathRegexp:
		return p.isLiteral && (strings.HasPrefix(other.text, p.literal) || p.literal == "/" || p.literal == "")
	}
	return false
}

// covers reports whether m's conditions besides the path hold wherever other's do; it may say no where the answer is yes.
func (m *Match) covers(other *Match) bool {
	if len(m.Methods) > 0 && !isSubset(other.Methods, m.Methods) {
		return false
	}
	if m.Clients != nil && (other.Clients == nil || !m.Clients.Covers(other.Clients)) {
		return false
	}
	if !m.To.isAny() && !m.To.covers(&other.To) || m.Moved != nil || m.InClear && !other.InClear {
		return false
	}
	if len(m.Prints) > 0 && !isSubset(other.Prints, m.Prints) {
		return false
	}
	return coversValues(m.Headers, other.Headers) && coversValues(m.Query, other.Query) && coversValues(m.Cert, other.Cert)
}

// isSubset reports whether words has at least one word, and all of them are in of.
func isSubset(words, of []string) bool {
	return len(words) > 0 && !slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(of, w) })
}

// coversValues reports whether each of what is asked is asked by others too.
func coversValues(asked, others []ValueMatch) bool {
	for i := range asked {
		if !slices.ContainsFunc(others, func(o ValueMatch) bool { return asked[i].covers(&o) }) {
			return false
		}
	}
	return true
}

func (v *ValueMatch) covers(other *ValueMatch) bool {
	if !strings.EqualFold(v.Name, other.Name) {
		return false
	}
	switch {
	case v.Present:
		return true
	case v.Regexp == nil:
		return !other.Present && other.Regexp == nil && v.Text == other.Text
	case other.Regexp != nil:
		return v.Regexp.String() == other.Regexp.String()
	}
	return !other.Present && v.Regexp.MatchString(other.Text)
}
