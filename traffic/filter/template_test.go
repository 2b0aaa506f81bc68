package filter

import (
	"net/netip"
	"strings"
	"testing"
)

// facts are those of a request with something of everything.
func facts() *Facts {
	return &Facts{
		Scheme: "https", Method: []byte("GET"), Host: []byte("app.example.com"), Port: []byte("8443"), Path: []byte("/a/b%20c"),
		Query: []byte("x=1&y=%2F"), HasQuery: true, Client: netip.MustParseAddr("192.0.2.1"),
		Groups: [][]byte{[]byte("b%20c"), []byte("one"), []byte("two/three")},
		Field: func(name string) []byte {
			return map[string][]byte{"X-User": []byte("ann & bob"), "X-Up": []byte("../../etc"), "X-Dots": []byte("..")}[name]
		},
	}
}

func TestTemplatesTakeTheirVariables(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "",
		"plain":                            "plain",
		"{scheme}://{host}:{port}{uri}":    "https://app.example.com:8443/a/b%20c?x=1&y=%2F",
		"{path} {query}":                   "/a/b%20c x=1&y=%2F",
		"{method} {client_ip}":             "GET 192.0.2.1",
		"{header:X-User}{header:X-Absent}": "ann & bob",
		"/new/*":                           "/new/b%20c",
		"$1-$2-$0":                         "one-two/three-b%20c",
		"$9$":                              "$",
		"${host}":                          "${host}",
		"{not a word} {}":                  "{not a word} {}",
		"{":                                "{",
		"{\"json\": {host}}":               "{\"json\": app.example.com}",
	} {
		tmpl, err := ParseLocation(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		} else if got := string(tmpl.Append(nil, facts())); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestWithoutGroupsTheirSignsArePlainText(t *testing.T) {
	tmpl, err := ParseTemplate("*/* $1")
	if err != nil || string(tmpl.Append(nil, facts())) != "*/* $1" || tmpl.UsesGroups() {
		t.Errorf("got %q, %v", tmpl.Append(nil, facts()), err)
	}
}

func TestUnknownVariablesAreRefused(t *testing.T) {
	for _, text := range []string{"{hots}", "a{b}c", "{client}"} {
		if _, err := ParseTemplate(text); err == nil || !strings.Contains(err.Error(), "{client_ip}") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestAbsentFactsAreEmpty(t *testing.T) {
	tmpl, _ := ParseLocation("[{host}{port}{query}{client_ip}{header:X}*$3{uri}]")
	if got := string(tmpl.Append(nil, &Facts{})); got != "[]" {
		t.Errorf("got %q", got)
	}
}

// hostile are facts whose every value tries to leave its place.
func hostile(value string) *Facts {
	v := []byte(value)
	return &Facts{Scheme: "http", Method: v, Host: v, Port: v, Path: v, Query: v, HasQuery: true, Groups: [][]byte{v, v},
		Field: func(string) []byte { return v }}
}

const everything = "{method}{host}{port}{path}{query}{uri}{header:X}*$1"

var attacks = []string{"a\r\nSet-Cookie: x=1", "a\nb", "a\rb", "a\x00b", "a\x7fb", "a b", "a\tb", "a#b", "a?b", " HTTP/1.1\r\n\r\nGET /", "\x80\xff", "a\"<>\\"}

func TestNoValueEndsAField(t *testing.T) {
	tmpl, _ := ParseLocation(everything)
	for _, attack := range attacks {
		if got := string(tmpl.Append(nil, hostile(attack))); strings.ContainsAny(got, "\r\n\x00\x7f") {
			t.Errorf("%q comes through: %q", attack, got)
		}
	}
}

func TestNoValueEndsARequestLine(t *testing.T) {
	edit := NewQueryEdit()
	edit.Set("all", everything)
	path, _ := ParsePath("/" + everything)
	r := Rewrite{Path: path, Query: edit}
	for _, attack := range attacks {
		f := hostile(attack)
		f.Query = nil // the request's own query was checked with its target
		got, ok := r.Append(nil, f)
		if !ok {
			continue
		}
		for i, c := range got {
			if c <= ' ' || c >= 0x7f || c == '#' || c == '?' && i != strings.IndexByte(string(got), '?') {
				t.Fatalf("%q comes through: %q", attack, got)
			}
		}
	}
}

func TestTemplatesAllocateNothing(t *testing.T) {
	f, buf := facts(), make([]byte, 0, 1024)
	path, _ := ParsePath("/x/*/{host}")
	tmpl, _ := ParseLocation("{scheme}://{host}:{port}{uri} {client_ip} *$1")
	f.Field = nil
	edit := NewQueryEdit()
	edit.Remove("x")
	edit.Set("host", "{host}")
	rewrite := &Rewrite{Path: path, Query: edit}
	headers := NewHeaderEdit()
	headers.Set("X-Host", "{host}")
	for name, run := range map[string]func(){
		"field":   func() { tmpl.Append(buf, f) },
		"rewrite": func() { rewrite.Append(buf, f) },
		"headers": func() { headers.Drops(f.Host); headers.Append(buf, f) },
	} {
		if n := testing.AllocsPerRun(100, run); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func FuzzTemplates(f *testing.F) {
	f.Add(everything, "v")
	f.Add("{host} {a b} ${x} $1$", "a\r\nb")
	f.Fuzz(func(t *testing.T, text, value string) {
		for _, parse := range []func(string) (*Template, error){func(s string) (*Template, error) { return ParsePath(s) }, func(s string) (*Template, error) { return ParseParameter(s) },
			func(s string) (*Template, error) { return ParseLocation(s) }} {
			tmpl, err := parse(text)
			if err != nil {
				continue
			}
			got := tmpl.Append(nil, hostile(value))
			if i := strings.IndexAny(string(got), "\r\n\x00"); i >= 0 {
				t.Fatalf("%q with %q: %q", text, value, got)
			}
		}
	})
}
