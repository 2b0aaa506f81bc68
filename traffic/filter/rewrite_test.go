package filter

import (
	"regexp"
	"strings"
	"testing"

	"github.com/weir-proxy/weir/wire/message"
)

func TestRewrites(t *testing.T) {
	for _, c := range []struct{ path, pattern, want string }{
		{"", "", "/a/b%20c"},
		{"/v2/*", "", "/v2/b%20c"},
		{"/v2*", "", "/v2b%20c"},
		{"*", "", "/b%20c"},
		{"/$2/$1", "", "/two/three/one"},
		{"/old{path}", "", "/old/a/b%20c"},
		{"/a//b/", "", "/a/b/"},
		{"/with space/ü", "", "/with%20space/%C3%BC"},
		{"/u/{header:X-User}", "", "/u/ann%20%26%20bob"},
		{"/ip/{client_ip}", "", "/ip/192.0.2.1"},
		{"/new/$1", "^/a/(.*)$", "/new/b%20c"},
		{"/new/$1", "^/other/(.*)$", "/a/b%20c"},
		{"/$3", "", "/"},
		{"/x/{header:X-Up}", "", "!"},
		{"/x/{header:X-Dots}", "", "!"},
		{"/x/{header:X-Dots}/y", "", "!"},
		{"/x/../y", "", "!"},
		{"/x/%2E%2e/y", "", "!"},
		{"/x/./y", "", "!"},
		{"/x/..y/.z/%2e.w", "", "/x/..y/.z/..w"},
		{"/x/%2fy", "", "/x/%2Fy"},
		{"/x/%zz", "", "!"},
	} {
		r := &Rewrite{}
		if c.path != "" {
			r.Path, _ = ParsePath(c.path)
		}
		if c.pattern != "" {
			r.Pattern = regexp.MustCompile(c.pattern)
		}
		got, ok := r.Append([]byte("kept"), facts())
		want := "kept" + c.want + "?x=1&y=%2F"
		if c.want == "!" {
			want = "kept"
		}
		if string(got) != want || ok != (c.want != "!") {
			t.Errorf("%s %s: got %q, %v, want %q", c.path, c.pattern, got, ok, want)
		}
	}
}

func TestGroupsReachTheQuery(t *testing.T) {
	groups := regexp.MustCompile(`^/u/(?P<who>[^/]*)/?(.*)$`)
	for _, c := range []struct{ path, request, query, want string }{
		{"/profile?id=$1", "/u/ann", "x=1", "/profile?id=ann"},
		{"/profile?id=$who&page=$2", "/u/ann/2", "", "/profile?id=ann&page=2"},
		{"/profile?id=$1&{query}", "/u/ann", "x=1&y=%2f", "/profile?id=ann&x=1&y=%2f"},
		{"/profile?{query}", "/u/ann", "", "/profile"},
		{"/profile?id=$1", "/u/a&admin=1;b+c%20d%26e", "", "/profile?id=a%26admin%3D1%3Bb%2Bc%20d%26e"},
		{"/profile?h={header:X-User}", "/u/ann", "", "/profile?h=ann%20%26%20bob"},
		{"/profile?u={uri}", "/u/ann", "a=b&c", "/profile?u=/u/ann%3Fa%3Db%26c"},
		{"/a$$b/$1?c=$$d", "/u/ann", "", "/a$b/ann?c=$d"},
		{"/profile?id=$1", "/other", "x=1", "/other?x=1"},
	} {
		tmpl, err := ParsePath(c.path, groups.SubexpNames()...)
		if err != nil {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		f := facts()
		f.Path, f.Query, f.HasQuery = []byte(c.request), []byte(c.query), c.query != ""
		got, ok := (&Rewrite{Path: tmpl, Pattern: groups}).Append(nil, f)
		if string(got) != c.want || !ok {
			t.Errorf("%s of %s?%s: got %s, want %s", c.path, c.request, c.query, got, c.want)
		}
	}
	e := NewQueryEdit()
	if err := e.Set("id", "<$who> *", groups.SubexpNames()...); err != nil {
		t.Fatal(err)
	}
	f := facts()
	f.Path, f.Query = []byte("/u/a%20b"), []byte("id=forged&x=1")
	if got, _ := (&Rewrite{Query: e, Pattern: groups}).Append(nil, f); string(got) != "/u/a%20b?x=1&id=%3Ca%20b%3E%20%2A" {
		t.Errorf("got %s", got)
	}
	for _, text := range []string{"/$nobody", "/?x=$whom", "/{nothing}", "/{header-x}", "/{headers:x}"} {
		if _, err := ParsePath(text, groups.SubexpNames()...); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}

func TestARewriteLeavesTheServerWideTargetAlone(t *testing.T) {
	if got, ok := (&Rewrite{Query: NewQueryEdit()}).Append(nil, &Facts{Path: []byte("*")}); string(got) != "*" || !ok {
		t.Errorf("got %q", got)
	}
}

func TestQueryEdits(t *testing.T) {
	for _, c := range []struct{ remove, set, add, query, want string }{
		{"", "", "", "a=1&b=2", "?a=1&b=2"},
		{"a", "", "", "a=1&b=2&a=3", "?b=2"},
		{"a b", "", "", "a+b=1&a%20b&c", "?c"},
		{"*", "", "", "a=1&b=2", ""},
		{"*", "v=2", "", "a=1", "?v=2"},
		{"", "b=x y&z", "", "a=1&b=2&b=3", "?a=1&b=x%20y%26z"},
		{"", "", "b=3", "b=2", "?b=2&b=3"},
		{"", "", "p={path}", "", "?p=%2Fa%2Fb%2520c"},
		{"", "", "q={query}", "k=v", "?k=v&q=k%3Dv"},
		{"", "", "n=*$1", "", "?n=%2Aone"},
		{"a", "", "", "a", ""},
		{"", "", "", "&&a&", "?a"},
		{"a", "a=1", "a=2", "a=0&A=0", "?A=0&a=1&a=2"},
	} {
		e := NewQueryEdit()
		if c.remove != "" {
			e.Remove(c.remove)
		}
		if name, value, ok := strings.Cut(c.set, "="); ok {
			e.Set(name, value)
		}
		if name, value, ok := strings.Cut(c.add, "="); ok {
			e.Add(name, value)
		}
		f := facts()
		f.Query = []byte(c.query)
		got, ok := (&Rewrite{Query: e}).Append(nil, f)
		if string(got) != "/a/b%20c"+c.want || !ok {
			t.Errorf("%+v: got %q", c, got)
		}
	}
}

func FuzzRewrittenPathsAreNormal(f *testing.F) {
	f.Add("/v/*", "a/b", "../x")
	f.Add("/%2e{header:X}/$1", "%2E", ".")
	f.Fuzz(func(t *testing.T, path, group, field string) {
		tmpl, err := ParsePath(path)
		if err != nil {
			return
		}
		r := &Rewrite{Path: tmpl}
		out, ok := r.Append(nil, &Facts{Path: []byte("/"), Groups: [][]byte{[]byte(group), []byte(group)}, Field: func(string) []byte { return []byte(field) }})
		if !ok {
			return
		}
		again, err := message.AppendNormalPath(nil, out)
		if err != nil || string(again) != string(out) || out[0] != '/' {
			t.Fatalf("%q with %q and %q: %q is not normal (%q, %v)", path, group, field, out, again, err)
		}
	})
}
