package config

import (
	"net/netip"
	"strings"
)

// Test is a request and what must come of it. `weir check` runs it without sending anything.
type Test struct {
	// What it shows, for people.
	Name string `yaml:"name" example:"api requests reach the api pool"`

	// The request.
	Request TestRequest `yaml:"request,required" example:"GET https://app.example.com/api/users"`

	// What must come of it; all that is written must hold.
	Expect TestExpect `yaml:"expect,required" example:"{ pool: api }"`
}

// TestRequest is a request as a client would send it. A bare value is `METHOD URL`, or a URL for GET.
type TestRequest struct {
	// The method.
	Method string `yaml:"method" default:"GET" example:"POST"`

	// The URL, in place of `host` and `path`. Its scheme says whether the client came by TLS.
	URL string `yaml:"url" example:"https://app.example.com/api/users?page=2"`

	// The Host sent.
	Host string `yaml:"host" example:"app.example.com"`

	// The path and query.
	Path string `yaml:"path" default:"/" example:"/api/users?page=2"`

	// Header fields, by name.
	Headers []Header `yaml:"headers,named" example:"{ X-Canary: \"yes\" }"`

	// The client's address.
	Client netip.Addr `yaml:"client" default:"192.0.2.1" example:"10.1.2.3"`

	// The address and port that the client wanted to reach: chooses among listeners of one port, and is for `match.destinations` and `ports`.
	To netip.AddrPort `yaml:"to" example:"192.0.2.7:80"`
}

// FromWord takes `METHOD URL`, or a URL for GET.
func (t *TestRequest) FromWord(word string) error {
	method, url, found := strings.Cut(word, " ")
	if !found {
		method, url = "GET", word
	}
	t.Method, t.URL = method, strings.TrimSpace(url)
	return nil
}

// TestExpect is what must come of a test's request. A bare value is the pool.
type TestExpect struct {
	// The pool that gets it.
	Pool string `yaml:"pool,short" example:"api"`

	// The path pattern of the route that takes it.
	Route string `yaml:"route" example:"/api/*"`

	// The host pattern of the site that takes it.
	Site string `yaml:"site" example:"\"*.example.com\""`

	// The path and query that the server gets.
	Path string `yaml:"path" example:"/v2/users?page=2"`

	// The Location that the client gets.
	Redirect string `yaml:"redirect" example:"https://app.example.com/api/users"`

	// The status of an answer that needs no server.
	Status int `yaml:"status" range:"200 599" example:"403"`

	// Header fields of an answer that needs no server, and fields that `response_headers` sets, by name.
	Headers []FieldMatch `yaml:"headers,named" example:"{ Location: \"~^https:\" }"`

	// Header fields that the server gets, by name.
	RequestHeaders []FieldMatch `yaml:"request_headers,named" example:"{ X-Env: prod }"`
}

// TestResult is the outcome of one of a configuration's tests.
type TestResult struct {
	Index    int      // in Config.Tests
	Failures []string // what was expected and what came instead; empty when the test passed
}

// Title is the test's name, or its request where it has none.
func (t *Test) Title() string {
	if t.Name != "" {
		return t.Name
	}
	if t.Request.URL != "" {
		return t.Request.Method + " " + t.Request.URL
	}
	return t.Request.Method + " " + t.Request.Host + t.Request.Path
}
