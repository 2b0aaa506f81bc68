package site

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/message"
)

// ask makes a query out of "GET host/path?query" and field lines, the way a request comes.
func ask(t testing.TB, line, client string, fields ...string) *Query {
	t.Helper()
	method, url, _ := strings.Cut(line, " ")
	host, rest, _ := strings.Cut(url, "/")
	raw := method + " /" + rest + " HTTP/1.1\r\nHost: " + host + "\r\n" + strings.Join(append(fields, ""), "\r\n") + "\r\n"
	r := &message.Request{}
	if n, fault := http1.ParseRequest([]byte(raw), r, nil); n == 0 {
		t.Fatalf("%q: %v", raw, fault)
	}
	q := &Query{Host: []byte(host), Path: r.Path.Of(r.Buf), Query: r.Query.Of(r.Buf), Request: r}
	if client != "" {
		q.Client = netip.MustParseAddr(client)
	}
	return q
}

// route makes a route of a path pattern and, for what else it asks, a function.
func route(t testing.TB, pattern string, more ...func(*Match)) *Route {
	t.Helper()
	p, err := ParsePathPattern(pattern)
	if err != nil {
		t.Fatal(err)
	}
	r := &Route{Pattern: pattern, Name: pattern, Match: Match{Path: p}}
	for _, f := range more {
		f(&r.Match)
	}
	return r
}

func methods(names ...string) func(*Match) { return func(m *Match) { m.Methods = names } }
func header(v ValueMatch) func(*Match)     { return func(m *Match) { m.Headers = append(m.Headers, v) } }
func param(v ValueMatch) func(*Match)      { return func(m *Match) { m.Query = append(m.Query, v) } }
func priority(n int) func(*Match)          { return func(m *Match) { m.Priority = n } }
