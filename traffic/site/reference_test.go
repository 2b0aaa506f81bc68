package site

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/weir-proxy/weir/traffic/filter"
)

// written is a route as text, from which the index and the reference each make their own.
type written struct {
	path, method, header, query, client string
	headers                             int // how many fields are asked for: X-A, X-B
	priority                            int
}

func (w written) compile(t testing.TB) *Route {
	return route(t, w.path, func(m *Match) {
		m.Priority = w.priority
		if w.method != "" {
			m.Methods = []string{w.method}
		}
		for i := range w.headers {
			m.Headers = append(m.Headers, ValueMatch{Name: string("ab"[i]), Text: w.header})
		}
		if w.query != "" {
			m.Query = []ValueMatch{{Name: "q", Text: w.query}}
		}
		if w.client != "" {
			m.Clients = filter.NewNetworks([]netip.Prefix{netip.MustParsePrefix(w.client)})
		}
	})
}

// asked is a request as text.
type asked struct{ host, path, method, a, b, query, client string }

func (w written) takes(r asked) bool {
	headers := []string{r.a, r.b}
	for _, h := range headers[:w.headers] {
		if h != w.header {
			return false
		}
	}
	return w.takesPath(r.path) && (w.method == "" || w.method == r.method) && (w.query == "" || w.query == r.query) &&
		(w.client == "" || netip.MustParsePrefix(w.client).Contains(netip.MustParseAddr(r.client)))
}

func (w written) takesPath(path string) bool {
	if expression, ok := strings.CutPrefix(w.path, "~"); ok {
		return regexp.MustCompile(expression).MatchString(path)
	}
	if prefix, ok := strings.CutSuffix(w.path, "/*"); ok {
		return path == prefix || strings.HasPrefix(path, prefix+"/")
	}
	return path == w.path
}

// rank is what CONFIG.md's order of precedence makes of a route: the lexicographically smallest wins.
func (w written) rank(all []written, at int) string {
	class, path := 0, 0
	switch {
	case strings.HasPrefix(w.path, "~"):
		class = 1
		for all[path].path != w.path {
			path++
		}
	case strings.HasSuffix(w.path, "/*"):
		class, path = 2, 900-len(w.path)
	}
	without := func(s string) int {
		if s == "" {
			return 1
		}
		return 0
	}
	return fmt.Sprintf("%03d %d %03d %d %d %d %d %03d", 500-w.priority, class, path, without(w.method), 9-w.headers,
		without(w.query), without(w.client), at)
}

// slowRoute is the index of the route by the letter of CONFIG.md; -1 if there is none.
func slowRoute(all []written, r asked) int {
	best, rank := -1, ""
	for i, w := range all {
		if now := w.rank(all, i); w.takes(r) && (best < 0 || now < rank) {
			best, rank = i, now
		}
	}
	return best
}

// slowSite is the index of the host pattern by the letter of CONFIG.md; -1 if there is none.
func slowSite(patterns []string, host string) int {
	best, rank := -1, ""
	for i, p := range patterns {
		expression := "^" + strings.ReplaceAll(regexp.QuoteMeta(p), `\*`, ".+") + "$"
		class := 2
		switch {
		case p == "*":
			class, expression = 3, ""
		case !strings.Contains(p, "*"):
			class = 0
		case strings.HasPrefix(p, "*.") && strings.Count(p, "*") == 1:
			class = 1
		}
		now := fmt.Sprintf("%d %03d %03d", class, 900-len(strings.ReplaceAll(p, "*", "")), i)
		if regexp.MustCompile(expression).MatchString(host) && (best < 0 || now < rank) {
			best, rank = i, now
		}
	}
	return best
}

func TestFindAgreesWithASlowReading(t *testing.T) {
	found := 0
	for seed := range uint64(500) {
		c := chance{rand.New(rand.NewPCG(seed, 7))}
		patterns, routes, specs := c.sites(t)
		ix, shadowed := NewIndex(specs)
		hit := map[*Route]bool{}
		for range 60 {
			r := c.request()
			q := ask(t, r.method+" "+r.host+r.path+"?q="+r.query, r.client, "a: "+r.a, "b: "+r.b)
			s, got := ix.Find(q)
			at := slowSite(patterns, r.host)
			if at < 0 != (s == nil) || s != nil && s.Pattern != patterns[at] {
				t.Fatalf("seed %d: host %s: site %v, want %d of %q", seed, r.host, s, at, patterns)
			}
			if e := ix.Explain(q); e.Site != s || e.Route != got {
				t.Fatalf("seed %d: %+v: explained as %v, found %v", seed, r, e.Route, got)
			}
			if s == nil {
				continue
			}
			want := slowRoute(routes[at], r)
			if want < 0 != (got == nil) || got != nil && got != specs[at].Routes[want] {
				t.Fatalf("seed %d: %+v: got %v, want route %d of %+v", seed, r, got, want, routes[at])
			}
			if got != nil {
				found++
				hit[got] = true
			}
		}
		for _, u := range shadowed {
			if hit[u.Route] {
				t.Fatalf("seed %d: %q was reached, and called unreachable for %q", seed, u.Route.Pattern, u.By.Pattern)
			}
		}
	}
	if found < 10_000 {
		t.Errorf("only %d requests found a route: the test says little", found)
	}
}

// chance makes small worlds in which patterns meet often.
type chance struct{ *rand.Rand }

func (c chance) of(words ...string) string { return words[c.IntN(len(words))] }

func (c chance) sites(t testing.TB) (patterns []string, routes [][]written, specs []Spec) {
	known := map[string]bool{}
	for range 1 + c.IntN(8) {
		p := c.of("a.b", "b", "a.a.b", "*.b", "*.a.b", "*.a", "a.*", "a.a.*", "*a", "*b*", "a*b", "a*.b", "b.*.a", "*")
		if known[p] {
			continue
		}
		known[p] = true
		var list []written
		for range 1 + c.IntN(8) {
			list = append(list, c.route())
		}
		spec := Spec{Pattern: p}
		for _, w := range list {
			spec.Routes = append(spec.Routes, w.compile(t))
		}
		patterns, routes, specs = append(patterns, p), append(routes, list), append(specs, spec)
	}
	return patterns, routes, specs
}

func (c chance) route() written {
	w := written{path: c.of("/", "/x", "/x/y", "/*", "/x/*", "/x/y/*", "/xx/*", "~^/x", "~y$", "~^/", "~(?i)^/X/", "~^/x/y$")}
	if c.IntN(2) == 0 {
		return w
	}
	w.method = c.of("", "", "GET", "POST")
	w.headers, w.header = c.IntN(3), c.of("0", "1")
	w.query = c.of("", "", "1", "2")
	w.client = c.of("", "", "10.0.0.0/8", "192.0.2.0/24")
	if c.IntN(4) == 0 {
		w.priority = c.IntN(5) - 2
	}
	return w
}

func (c chance) request() asked {
	return asked{
		host: c.of("a", "b", "a.b", "a.a.b", "b.a.b", "a.a.a", "b.a.a", "ab", "aab", "b.b.a", "axb"), method: c.of("GET", "POST", "PUT"),
		path: c.of("/", "/x", "/x/", "/x/y", "/x/y/", "/x/y/z", "/xx", "/xx/y", "/xy", "/z"),
		a:    c.of("0", "1"), b: c.of("0", "1"), query: c.of("1", "2", "3"), client: c.of("10.1.2.3", "192.0.2.7", "198.51.100.1"),
	}
}
