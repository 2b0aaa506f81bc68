package site

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// large is 10,000 sites of all kinds with 10 paths each, and requests that hit them at random.
func large(t testing.TB) (*Index, []*Query) {
	var specs []Spec
	var hosts []string
	for i := range 10_000 {
		pattern, host := fmt.Sprintf("app%d.example.com", i), ""
		switch i % 10 {
		case 7, 8:
			pattern = fmt.Sprintf("*.tenant%d.example.net", i)
			host = "www" + pattern[1:]
		case 9:
			pattern = fmt.Sprintf("service%d.*", i)
			host = pattern[:len(pattern)-1] + "contoso.com"
		default:
			host = pattern
		}
		hosts = append(hosts, host)
		spec := Spec{Pattern: pattern}
		for _, p := range largePaths {
			spec.Routes = append(spec.Routes, route(t, p))
		}
		specs = append(specs, spec)
	}
	ix, _ := NewIndex(specs)
	random := rand.New(rand.NewPCG(1, 2))
	var queries []*Query
	for range 4096 {
		path := largeRequests[random.IntN(len(largeRequests))]
		queries = append(queries, ask(t, "GET "+hosts[random.IntN(len(hosts))]+path, "192.0.2.1"))
	}
	return ix, queries
}

var largePaths = []string{"/*", "/api/*", "/api/v2/*", "/static/*", "/login", "/logout", "/healthz", "/img/*", "/a/b/c/d/*", "/favicon.ico"}

var largeRequests = []string{"/", "/api/users/12345", "/api/v2/orders?page=2", "/static/css/site.css", "/login", "/healthz",
	"/img/logo.png", "/a/b/c/d/e/f", "/other/page.html", "/favicon.ico"}

func BenchmarkFindAmongTenThousandSites(b *testing.B) {
	ix, queries := large(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, r := ix.Find(queries[i&4095]); r == nil {
			b.Fatal("no route")
		}
	}
}

func TestFindAllocatesNothing(t *testing.T) {
	ix, queries := large(t)
	i := 0
	if n := testing.AllocsPerRun(4096, func() { ix.Find(queries[i&4095]); i++ }); n != 0 {
		t.Errorf("%v allocations per lookup", n)
	}
}

func TestFindWithConditionsAllocatesNothing(t *testing.T) {
	ix, _ := NewIndex([]Spec{{Pattern: "a.example", Routes: []*Route{
		route(t, "~^/(x|y)/", methods("POST")),
		route(t, "/*", methods("GET"), header(ValueMatch{Name: "X-A", Text: "1"}), param(ValueMatch{Name: "päge", Text: "ü b"})),
	}}})
	q := ask(t, "GET a.example/x/y?other&p%c3%A4ge=%C3%BC+b", "192.0.2.1", "x-a: 1")
	if _, r := ix.Find(q); r == nil {
		t.Fatal("no route")
	}
	if n := testing.AllocsPerRun(100, func() { ix.Find(q) }); n != 0 {
		t.Errorf("%v allocations per lookup", n)
	}
}
