package site

import (
	"reflect"
	"regexp"
	"testing"
)

func TestRoutesThatCanNeverMatchAreNamed(t *testing.T) {
	yes := ValueMatch{Name: "X-A", Text: "yes"}
	anyA := ValueMatch{Name: "x-a", Present: true}
	like := ValueMatch{Name: "X-A", Regexp: regexp.MustCompile("^y")}
	for name, c := range map[string]struct {
		routes []*Route
		want   bool // the last one is unreachable
	}{
		"written twice":             {[]*Route{route(t, "/a"), route(t, "/a")}, true},
		"written twice, encoded":    {[]*Route{route(t, "/~a/*"), route(t, "/%7ea/*")}, true},
		"fewer methods":             {[]*Route{route(t, "/a", methods("GET", "PUT")), route(t, "/a", methods("PUT"))}, true},
		"more methods":              {[]*Route{route(t, "/a", methods("GET")), route(t, "/a", methods("GET", "PUT"))}, false},
		"a text where any will do":  {[]*Route{route(t, "/a", header(anyA)), route(t, "/a", header(yes))}, true},
		"a text that matches":       {[]*Route{route(t, "/a", header(like)), route(t, "/a", header(yes))}, true},
		"any where a text is asked": {[]*Route{route(t, "/a", header(yes)), route(t, "/a", header(anyA))}, false},
		"a parameter is no header":  {[]*Route{route(t, "/a", header(yes)), route(t, "/a", param(yes))}, false},
		"a smaller network":         {[]*Route{route(t, "/a", clients("10.0.0.0/8")), route(t, "/a", clients("10.1.0.0/16"))}, true},
		"a larger network":          {[]*Route{route(t, "/a", clients("10.1.0.0/16")), route(t, "/a", clients("10.0.0.0/8"))}, false},
		"other network":             {[]*Route{route(t, "/a", clients("10.0.0.0/8")), route(t, "/a", clients("::/0"))}, false},
		"priority over an exact":    {[]*Route{route(t, "/*", priority(1)), route(t, "/a")}, true},
		"priority over a prefix":    {[]*Route{route(t, "/a/*", priority(1)), route(t, "/a/b/*")}, true},
		"priority over another":     {[]*Route{route(t, "/a/*", priority(1)), route(t, "/ab/*")}, false},
		"expression for all":        {[]*Route{route(t, "~^/"), route(t, "/a/*")}, true},
		"expression for a prefix":   {[]*Route{route(t, "~^/a"), route(t, "/a/*")}, true},
		"expression below it":       {[]*Route{route(t, "~^/a/"), route(t, "/a/*")}, false},
		"expression and exact":      {[]*Route{route(t, "~^/"), route(t, "/a")}, false},
		"expression with an end":    {[]*Route{route(t, "~^/a$"), route(t, "/a/*")}, false},
		"certificate and none":      {[]*Route{route(t, "/a", cert(yes)), route(t, "/a")}, false},
		"same certificate":          {[]*Route{route(t, "/a", cert(anyA)), route(t, "/a", cert(yes))}, true},
		"fingerprint and none":      {[]*Route{route(t, "/a", prints("a")), route(t, "/a")}, false},
		"fewer fingerprints":        {[]*Route{route(t, "/a", prints("a", "b")), route(t, "/a", prints("b"))}, true},
		"conditions are specific":   {[]*Route{route(t, "/a"), route(t, "/a", header(yes))}, false},
	} {
		_, list := NewIndex([]Spec{{Pattern: "h", Routes: c.routes}})
		got := len(list) == 1 && list[0].Route == c.routes[len(c.routes)-1] && list[0].By == c.routes[0]
		if got != c.want || len(list) > 1 {
			t.Errorf("%s: got %v, want %v", name, list, c.want)
		}
	}
}

func cert(v ValueMatch) func(*Match)       { return func(m *Match) { m.Cert = append(m.Cert, v) } }
func prints(prints ...string) func(*Match) { return func(m *Match) { m.Prints = prints } }
func destination(first uint16) func(*Match) {
	return func(m *Match) { m.To.Ports = []Ports{{first, first}} }
}

// Whatever compares or counts conditions has to know all of them. A new field of Match fails this test until it has a row.
func TestEveryConditionIsKnownWhereverMatchesAreCompared(t *testing.T) {
	value := ValueMatch{Name: "X-A", Text: "yes"}
	rows := map[string]func(*Match){
		"Path": nil, "Priority": nil, // these order routes and are no conditions
		"Methods": methods("PUT"), "Headers": header(value), "Query": param(value), "Clients": clients("10.0.0.0/8"), "Cert": cert(value),
		"InClear": func(m *Match) { m.InClear = true }, "Prints": prints("t13"), "To": destination(443), "Moved": func(m *Match) { m.Moved = &Moved{} },
	}
	for i := range reflect.TypeFor[Match]().NumField() {
		name := reflect.TypeFor[Match]().Field(i).Name
		set, isKnown := rows[name]
		if !isKnown {
			t.Errorf("Match.%s has no row here: does all that is asked below know it?", name)
		}
		if set == nil {
			continue
		}
		plain, with := route(t, "/*"), route(t, "/*", set)
		if with.Match.isPlain() {
			t.Errorf("%s: isPlain takes it for no condition", name)
		}
		if with.Match.covers(&plain.Match) {
			t.Errorf("%s: covers a route without the condition", name)
		}
		if !plain.Match.covers(&with.Match) {
			t.Errorf("%s: a route without conditions does not cover it", name)
		}
		if got := with.Match.check(ask(t, "GET h/", "")); got.kind == holds {
			t.Errorf("%s: holds for a request without any", name)
		} else if with.Match.describe(got, ask(t, "GET h/", "")) == "" {
			t.Errorf("%s: has no explanation", name)
		}
		if sorted([]*Route{plain, with})[0] != with {
			t.Errorf("%s: is not more specific than no condition", name)
		}
		if with.Match.whyBefore(&plain.Match) == with.Match.whyBefore(&with.Match) {
			t.Errorf("%s: its precedence has no explanation", name)
		}
	}
}
