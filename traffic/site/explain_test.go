package site

import (
	"fmt"
	"strings"
	"testing"
)

func TestEachCandidateSaysWhy(t *testing.T) {
	yes := ValueMatch{Name: "X-A", Text: "yes"}
	ix, _ := NewIndex([]Spec{
		{Pattern: "*", Routes: []*Route{route(t, "/*")}},
		{Pattern: "*.example", Routes: []*Route{route(t, "/*")}},
		{Pattern: "a.example", Routes: []*Route{
			route(t, "/*"), route(t, "/a/*"), route(t, "/a/b"), route(t, "/a/b", methods("POST", "PUT")), route(t, "~^/a/"),
			route(t, "/a/b", header(yes)), route(t, "/a/b", param(ValueMatch{Name: "q", Text: "1"})), route(t, "/a/b", clients("10.0.0.0/8")),
			route(t, "/a/b"), route(t, "/c"), route(t, "/*", priority(-1)),
		}},
	})
	e := ix.Explain(ask(t, "GET a.example/a/b?q=2", "192.0.2.1", "X-A: no"))
	var lines []string
	for _, c := range append(e.Sites, e.Routes...) {
		lines = append(lines, fmt.Sprintf("%v %s: %s", c.IsTaken, c.Name, c.Why))
	}
	want := `true a.example: is the host exactly
false *.example: takes the host too, but "a.example" is more specific
false *: takes the host too, but "a.example" is more specific
false /a/b: method GET is not POST, PUT
false /a/b: header X-A is "no", not "yes"
false /a/b: query parameter q is "2", not "1"
false /a/b: client 192.0.2.1 is in none of its networks
true /a/b: is the path exactly
false /a/b: would match too, but one like it was written before
false /c: path /a/b does not match
false ~^/a/: would match too, but an exact path is more specific
false /a/*: would match too, but an exact path is more specific
false /*: would match too, but an exact path is more specific
false /*: would match too, but priority 0 is asked before -1`
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
