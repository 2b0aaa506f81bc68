package site

import (
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
		"conditions are specific":   {[]*Route{route(t, "/a"), route(t, "/a", header(yes))}, false},
	} {
		_, list := NewIndex([]Spec{{Pattern: "h", Routes: c.routes}})
		got := len(list) == 1 && list[0].Route == c.routes[len(c.routes)-1] && list[0].By == c.routes[0]
		if got != c.want || len(list) > 1 {
			t.Errorf("%s: got %v, want %v", name, list, c.want)
		}
	}
}
