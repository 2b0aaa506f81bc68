package site

import (
	"cmp"
	"slices"
)

// Site is a host pattern with its routes. Immutable.
type Site struct {
	Pattern string

	paths      *PathRules
	names      []string // of the fields that its routes trust
	isPathless bool     // all routes take all paths
	host       hostPattern
	routes     []*Route // in the order in which they are asked
	top        level    // of the highest priority, which is nearly always the only one
	lower      []level  // by falling priority
}

// level is the routes of one priority, found by their paths.
type level struct {
	exact    map[string]choice
	regexps  []regexpChoice
	prefixes map[string]choice // by the prefix without "/*"
	longest  int               // of the keys of prefixes
}

// choice is the routes of one path. A lookup mostly misses the caches, so the usual case is found without a look into the routes: that
// took a sixth of its time.
type choice struct {
	plain  *Route   // the first, where the path alone decides
	routes []*Route // in the order in which they are asked
}

// regexpChoice is the routes of one expression.
type regexpChoice struct {
	path *PathPattern
	choice
}

// add is the choice with one more route.
func (c choice) add(r *Route) choice {
	if len(c.routes) == 0 && r.Match.isPlain() {
		c.plain = r
	}
	c.routes = append(c.routes, r)
	return c
}

// first is the first route whose other conditions hold.
func (c *choice) first(q *Query) *Route {
	if c.plain != nil {
		return c.plain
	}
	for _, r := range c.routes {
		if r.Match.check(q).kind == holds {
			return r
		}
	}
	return nil
}

func newSite(spec Spec) *Site {
	s := &Site{Pattern: spec.Pattern, paths: spec.Paths, host: parseHostPattern(spec.Pattern), routes: sorted(spec.Routes)}
	if s.paths == nil {
		s.paths = DefaultPathRules()
	}
	s.isPathless, s.names = isPathless(s.routes), trustedNames(s.routes)
	for from := 0; from < len(s.routes); {
		to := from
		for to < len(s.routes) && s.routes[to].Match.Priority == s.routes[from].Match.Priority {
			to++
		}
		if from == 0 {
			s.top = newLevel(s.routes[:to])
		} else {
			s.lower = append(s.lower, newLevel(s.routes[from:to]))
		}
		from = to
	}
	return s
}

// Routes are the site's routes in the order in which they are asked. The caller must not change them.
func (s *Site) Routes() []*Route { return s.routes }

// sorted puts the routes in the order of precedence: priority; exact path, expression in written order, longest prefix; method, number of
// headers, number of parameters, a moved path's query, client network, destination; first written.
func sorted(written []*Route) []*Route {
	firstOf := map[string]int{}
	for i, r := range written {
		if p := r.Match.Path; p.kind == pathRegexp {
			if _, known := firstOf[p.text]; !known {
				firstOf[p.text] = i
			}
		}
	}
	routes := slices.Clone(written)
	slices.SortStableFunc(routes, func(x, y *Route) int {
		a, b := &x.Match, &y.Match
		return cmp.Or(
			cmp.Compare(b.Priority, a.Priority),
			cmp.Compare(a.Path.kind, b.Path.kind),
			comparePaths(a.Path, b.Path, firstOf),
			cmp.Compare(least1(len(b.Methods)), least1(len(a.Methods))),
			cmp.Compare(len(b.Headers), len(a.Headers)),
			cmp.Compare(len(b.Query), len(a.Query)),
			compareBool(b.Moved != nil, a.Moved != nil),
			compareBool(b.Clients != nil, a.Clients != nil),
			cmp.Compare(len(b.Cert)+len(b.Prints), len(a.Cert)+len(a.Prints)),
			compareBool(!b.To.isAny(), !a.To.isAny()),
			compareBool(b.InClear, a.InClear),
		)
	})
	return routes
}

func comparePaths(a, b *PathPattern, firstOf map[string]int) int {
	switch a.kind {
	case pathRegexp:
		return cmp.Compare(firstOf[a.text], firstOf[b.text])
	case pathPrefix:
		return cmp.Compare(len(b.text), len(a.text))
	}
	return 0
}

func least1(n int) int { return min(n, 1) }

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

func newLevel(routes []*Route) level {
	l := level{exact: map[string]choice{}, prefixes: map[string]choice{}, longest: -1}
	for _, r := range routes {
		p := r.Match.Path
		switch p.kind {
		case pathExact:
			for path := range p.exact() {
				l.exact[path] = l.exact[path].add(r)
			}
		case pathPrefix:
			l.prefixes[p.text] = l.prefixes[p.text].add(r)
			l.longest = max(l.longest, len(p.text))
		case pathRegexp:
			if n := len(l.regexps); n > 0 && l.regexps[n-1].path.text == p.text {
				l.regexps[n-1].choice = l.regexps[n-1].add(r)
			} else {
				l.regexps = append(l.regexps, regexpChoice{p, choice{}.add(r)})
			}
		}
	}
	return l
}

func (s *Site) find(q *Query) *Route {
	if r := s.top.find(q); r != nil {
		return r
	}
	for i := range s.lower {
		if r := s.lower[i].find(q); r != nil {
			return r
		}
	}
	return nil
}

func (l *level) find(q *Query) *Route {
	if c, found := l.exact[string(q.Path)]; found {
		if r := c.first(q); r != nil {
			return r
		}
	}
	for i := range l.regexps {
		if l.regexps[i].path.Matches(q.Path) {
			if r := l.regexps[i].first(q); r != nil {
				return r
			}
		}
	}
	return l.findPrefix(q)
}

// findPrefix looks the path up without its last segment, without its last two, and so on; what is longer than any prefix is not tried, so
// that a path of a thousand slashes costs no more than the operator's own.
func (l *level) findPrefix(q *Query) *Route {
	for end := min(len(q.Path), l.longest); end > 0; end-- {
		if end != len(q.Path) && q.Path[end] != '/' {
			continue
		}
		if c, found := l.prefixes[string(q.Path[:end])]; found {
			if r := c.first(q); r != nil {
				return r
			}
		}
	}
	root := l.prefixes[""]
	return root.first(q)
}
