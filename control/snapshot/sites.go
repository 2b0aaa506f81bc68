package snapshot

import (
	"reflect"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/traffic/site"
)

// BuildSites compiles the sites of a configuration, for questions and not for service. destinations gives the pool of a name. With an error among the
// problems there is no index.
func BuildSites(cfg *config.Config, destinations func(pool string) *site.Destination) (*site.Index, config.Problems) {
	return buildSites(cfg, destinations, nil)
}

func buildSites(cfg *config.Config, destinations func(pool string) *site.Destination, k *keeper) (*site.Index, config.Problems) {
	b := &siteBuilder{cfg: cfg, destinations: destinations, keeper: k, written: map[*site.Route]*config.Route{}}
	specs := make([]site.Spec, 0, len(cfg.Sites))
	for i := range cfg.Sites {
		specs = append(specs, b.site(&cfg.Sites[i]))
	}
	if len(b.problems.Errors()) > 0 {
		return nil, b.problems
	}
	index, unreachable := site.NewIndex(specs)
	for _, u := range unreachable {
		b.warnUnreachable(b.written[u.Route], b.written[u.By])
	}
	return index, b.problems
}

// siteBuilder collects routes and what is wrong with them.
type siteBuilder struct {
	cfg          *config.Config
	destinations func(pool string) *site.Destination
	keeper       *keeper // nil: nobody is served
	written      map[*site.Route]*config.Route
	problems     config.Problems
}

func (b *siteBuilder) site(s *config.Site) site.Spec {
	spec := site.Spec{Pattern: s.Name, Paths: pathRules(s.Paths)}
	for i := range s.Routes {
		if r := b.route(s.Name, &s.Routes[i]); r != nil {
			if spec.Paths.Folds {
				r.Match.Path = r.Match.Path.Folded()
			}
			spec.Routes = append(spec.Routes, r)
			b.written[r] = &s.Routes[i]
		}
	}
	b.moved(s, &spec)
	return spec
}

// moved adds the routes of what a redirects file lists.
func (b *siteBuilder) moved(s *config.Site, spec *site.Spec) {
	if s.Moved == nil {
		return
	}
	c := s.Redirects
	entries := make([]site.MovedPath, len(c.Entries))
	for i := range c.Entries {
		e := &c.Entries[i]
		entries[i] = site.MovedPath{Path: e.Normal, Query: e.Query, HasQuery: e.HasQuery, Redirect: b.redirect(s.Moved.Key, &e.Redirect, nil)}
		entries[i].Redirect.LeavesQuery = e.HasQuery
	}
	plain, withQuery := site.NewMoved(entries, spec.Paths.Folds)
	for _, m := range []*site.Moved{withQuery, plain} {
		if m == nil {
			continue
		}
		name := "redirects of " + c.File
		if m == withQuery {
			name += " with queries"
		}
		r := b.route(s.Name, s.Moved)
		if r == nil {
			return
		}
		r.Pattern, r.Name, r.Redirect, r.Moved = name, s.Name+" "+name, nil, m
		r.Match.Path = m.Pattern(name)
		if m == withQuery {
			r.Match.Moved = m
		}
		spec.Routes = append(spec.Routes, r)
		b.written[r] = s.Moved
	}
}

func (b *siteBuilder) refuse(path, format string, args ...any) {
	b.problems = append(b.problems, b.cfg.ProblemAt(path, format, args...))
}

func (b *siteBuilder) warn(path, format string, args ...any) {
	b.problems = append(b.problems, b.cfg.WarningAt(path, format, args...))
}

// warnUnreachable tells of a route that can never match, unless the reader of the file has told already: it sees equal conditions.
func (b *siteBuilder) warnUnreachable(r, by *config.Route) {
	if r.Path == by.Path && reflect.DeepEqual(r.Match, by.Match) || r.Priority != by.Priority && by.Match.IsEmpty() {
		return
	}
	b.warn(r.Key, "can never match: %q at %v takes all its requests", by.Path, b.cfg.PosOf(by.Key))
}
