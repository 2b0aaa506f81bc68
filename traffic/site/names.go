package site

import (
	"slices"

	"github.com/weir-proxy/weir/wire/message"
)

// trustedNames are the request fields by which a site's routes decide, or which they pass on in other places. A name that servers cannot tell apart from
// one of them is refused, as it is for weir's own: a client could say one thing to weir and another to the server.
func trustedNames(routes []*Route) (names []string) {
	add := func(k Key) {
		if k.Kind == KeyHeader {
			names = append(names, k.Name)
		}
	}
	for _, r := range routes {
		for i := range r.Match.Headers {
			names = append(names, r.Match.Headers[i].Name)
		}
		names = append(names, r.Rewrite.FieldNames()...)
		names = append(names, r.RequestHeaders.FieldNames()...)
		if r.Redirect != nil {
			names = append(names, r.Redirect.To.FieldNames()...)
		}
		for d := range r.Moved.all() {
			for _, name := range d.To.FieldNames() {
				if !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
		}
		if r.Persistence != nil {
			add(r.Persistence.Key)
		}
		if r.Destination != nil {
			add(r.Destination.Key)
		}
		if r.Split != nil {
			add(r.Split.Key)
		}
	}
	return names
}

// hasAlias reports whether a field of the request has a name that servers cannot tell apart from one that the site trusts.
func (s *Site) hasAlias(f *message.Fields) bool {
	for _, name := range s.names {
		for i := range f.List {
			if message.IsAliasOf(f.NameOf(i), name) {
				return true
			}
		}
	}
	return false
}
