package site

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weir-proxy/weir/traffic/filter"
)

func TestTheMostSpecificHostWins(t *testing.T) {
	var specs []Spec
	for _, p := range []string{"*", "lync*", "lyncweb.*", "*.example.com", "*.b.example.com", "a.example.com", "[2001:db8::1]"} {
		specs = append(specs, Spec{Pattern: p, Routes: []*Route{route(t, "/*")}})
	}
	ix, _ := NewIndex(specs)
	for host, want := range map[string]string{
		"a.example.com":       "a.example.com",
		"b.example.com":       "*.example.com",
		"x.b.example.com":     "*.b.example.com",
		"x.y.b.example.com":   "*.b.example.com",
		"x.y.example.com":     "*.example.com",
		"example.com":         "*",
		".example.com":        "*",
		"lyncweb.contoso.com": "lyncweb.*",
		"lyncweb.example.com": "*.example.com",
		"lyncdiscover.x":      "lync*",
		"lyncweb.":            "lync*",
		"lync":                "*",
		"[2001:db8::1]":       "[2001:db8::1]",
		"":                    "*",
	} {
		if s := ix.FindSite([]byte(host)); s == nil || s.Pattern != want {
			t.Errorf("host %q: got %v, want %s", host, s, want)
		}
	}
}

func TestNoLessSpecificSiteIsAsked(t *testing.T) {
	ix, _ := NewIndex([]Spec{{Pattern: "a.example", Routes: []*Route{route(t, "/only")}}, {Pattern: "*", Routes: []*Route{route(t, "/*")}}})
	if s, r := ix.Find(ask(t, "GET a.example/other", "")); s == nil || s.Pattern != "a.example" || r != nil {
		t.Errorf("got %v %v", s, r)
	}
}

func TestWithoutASiteThereIsNothing(t *testing.T) {
	ix, _ := NewIndex(nil)
	if s, r := ix.Find(ask(t, "GET a.example/", "")); s != nil || r != nil {
		t.Errorf("got %v %v", s, r)
	}
}

// precedence is the order of CONFIG.md, each row before the next for a request that all take.
func precedence(t *testing.T) []*Route {
	yes := ValueMatch{Name: "X-A", Present: true}
	debug := ValueMatch{Name: "debug", Present: true}
	inside := func(m *Match) { m.Clients = filter.NewNetworks([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}) }
	return []*Route{
		route(t, "/*", priority(1)),
		route(t, "/a/b", methods("GET")),
		route(t, "/a/b", header(yes), header(yes)),
		route(t, "/a/b", header(yes), param(debug)),
		route(t, "/a/b", header(yes)),
		route(t, "/a/b", param(debug), inside),
		route(t, "/a/b", param(debug)),
		route(t, "/a/b", inside),
		route(t, "/a/b"),
		route(t, "~b$"),
		route(t, "~^/a", methods("GET")),
		route(t, "~^/a"),
		route(t, "/a/b/*"),
		route(t, "/a/*", methods("GET")),
		route(t, "/a/*"),
		route(t, "/*"),
		route(t, "/a/b", priority(-1)),
	}
}

func TestRoutesHaveTheirOrderInAnyOrderOfWriting(t *testing.T) {
	q := ask(t, "GET h/a/b?debug", "10.1.2.3", "x-a: 1")
	all := precedence(t)
	for from := range all {
		rest := slices.Clone(all[from:])
		for _, order := range [][]*Route{rest, reversedButExpressions(rest)} {
			ix, _ := NewIndex([]Spec{{Pattern: "h", Routes: order}})
			if _, got := ix.Find(q); got != all[from] {
				t.Errorf("%s (row %d) is not first among those after it: got row %d", all[from].Pattern, from, slices.Index(all, got))
			}
		}
	}
}

// reversedButExpressions turns the order of writing round, but for expressions, whose order it is.
func reversedButExpressions(routes []*Route) []*Route {
	var expressions, others []*Route
	for _, r := range routes {
		if strings.HasPrefix(r.Pattern, "~") {
			expressions = append(expressions, r)
		} else {
			others = append(others, r)
		}
	}
	slices.Reverse(others)
	return append(others, expressions...)
}

func TestPathsMatchAtSegmentBorders(t *testing.T) {
	for _, c := range []struct{ pattern, path, groups string }{
		{"/login", "/login", ""},
		{"/login", "/login/", "!"},
		{"/api/*", "/api", `""`},
		{"/api/*", "/api/", `""`},
		{"/api/*", "/api/x/y", `"x/y"`},
		{"/api/*", "/apix", "!"},
		{"/*", "/", `""`},
		{"/*", "/x/y", `"x/y"`},
		{"/%7euser/*", "/~user/x", `"x"`},
		{"/straße", "/stra%C3%9Fe", ""},
		{"~^/(en|de)/(.*)", "/de/x/y", `"/de/x/y" "de" "x/y"`},
		{"~^/(en|de)/", "/fr/", "!"},
		{"~^/lit", "/lit/x", `"/lit"`},
		{"~^/lit", "/lot", "!"},
		{"~^/(?i)lit", "/LIT", `"/LIT"`},
		{"~it$", "/lit", `"it"`},
	} {
		p, err := ParsePathPattern(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		got := "!"
		if p.Matches([]byte(c.path)) {
			var groups []string
			for _, g := range p.AppendGroups(nil, []byte(c.path)) {
				groups = append(groups, `"`+string(g)+`"`)
			}
			got = strings.Join(groups, " ")
		}
		if got != c.groups {
			t.Errorf("%s takes of %s: %s, want %s", c.pattern, c.path, got, c.groups)
		}
	}
}

func TestBadPathPatternsAreRefused(t *testing.T) {
	for _, p := range []string{"", "api", "*", "/a*", "/*/b", "/a/*/*", "~(", "/a%2fb", "/../a", "/a%zz"} {
		if _, err := ParsePathPattern(p); err == nil {
			t.Errorf("%q is taken", p)
		}
	}
}

func TestConditions(t *testing.T) {
	curl := ValueMatch{Name: "User-Agent", Regexp: regexp.MustCompile("^curl/")}
	for name, c := range map[string]struct {
		m    func(*Match)
		q    *Query
		want bool
	}{
		"method":                    {methods("PUT", "GET"), ask(t, "GET h/", ""), true},
		"other method":              {methods("PUT"), ask(t, "GET h/", ""), false},
		"methods know case":         {methods("get"), ask(t, "GET h/", ""), false},
		"header in any case":        {header(ValueMatch{Name: "x-a", Text: "1"}), ask(t, "GET h/", "", "X-A: 1"), true},
		"header's second line":      {header(ValueMatch{Name: "x-a", Text: "2"}), ask(t, "GET h/", "", "X-A: 1", "X-A: 2"), true},
		"header's value has case":   {header(ValueMatch{Name: "x-a", Text: "Y"}), ask(t, "GET h/", "", "X-A: y"), false},
		"absent header":             {header(ValueMatch{Name: "x-a", Present: true}), ask(t, "GET h/", ""), false},
		"empty header is there":     {header(ValueMatch{Name: "x-a", Present: true}), ask(t, "GET h/", "", "X-A:"), true},
		"header's expression":       {header(curl), ask(t, "GET h/", "", "User-Agent: curl/8"), true},
		"header's expression not":   {header(curl), ask(t, "GET h/", "", "User-Agent: wget"), false},
		"parameter":                 {param(ValueMatch{Name: "a", Text: "b c"}), ask(t, "GET h/?x&a=b+c", ""), true},
		"parameter encoded":         {param(ValueMatch{Name: "a", Text: "b c"}), ask(t, "GET h/?%61=%62%20c", ""), true},
		"parameter's second":        {param(ValueMatch{Name: "a", Text: "2"}), ask(t, "GET h/?a=1&a=2", ""), true},
		"parameter's name's end":    {param(ValueMatch{Name: "a", Present: true}), ask(t, "GET h/?ab=1", ""), false},
		"parameter without value":   {param(ValueMatch{Name: "a", Present: true}), ask(t, "GET h/?a", ""), true},
		"parameter's expression":    {param(ValueMatch{Name: "a", Regexp: regexp.MustCompile("^b c$")}), ask(t, "GET h/?a=b+c", ""), true},
		"empty query, empty name":   {param(ValueMatch{Name: "", Present: true}), ask(t, "GET h/?&&", ""), false},
		"client":                    {clients("10.0.0.0/8"), ask(t, "GET h/", "10.1.2.3"), true},
		"client mapped into IPv6":   {clients("10.0.0.0/8"), ask(t, "GET h/", "::ffff:10.1.2.3"), true},
		"other client":              {clients("10.0.0.0/8"), ask(t, "GET h/", "11.1.2.3"), false},
		"client without an address": {clients("10.0.0.0/8"), ask(t, "GET h/", ""), false},
	} {
		ix, _ := NewIndex([]Spec{{Pattern: "h", Routes: []*Route{route(t, "/*", c.m)}}})
		if _, r := ix.Find(c.q); (r != nil) != c.want {
			t.Errorf("%s: got %v, want %v", name, r != nil, c.want)
		}
	}
}

func clients(prefix string) func(*Match) {
	return func(m *Match) { m.Clients = filter.NewNetworks([]netip.Prefix{netip.MustParsePrefix(prefix)}) }
}
