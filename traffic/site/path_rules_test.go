package site

import (
	"testing"

	"github.com/weir-proxy/weir/wire/message"
)

// TestPathsAreRefusedOnlyWhereTheirReadingsDiffer: the route is found by the normal form, and a path that servers may read in another way passes
// unless that reading has another route.
func TestPathsAreRefusedOnlyWhereTheirReadingsDiffer(t *testing.T) {
	tomcat := &PathRules{Resolves: message.NormalReading | message.Parameters, Doubts: message.Doubtful &^ (message.RepeatedSlash | message.DoubleEncoding)}
	iis := &PathRules{Resolves: message.NormalReading | message.EncodedSlash | message.Backslash | message.TrailingDot | message.DataStream,
		Doubts: message.DoubleEncoding | message.Overlong | message.DotSegment | message.RepeatedSlash | message.Cookieless, Folds: true}
	any := &PathRules{Resolves: message.NormalReading, Doubts: message.Doubtful | message.Parameters | message.TrailingDot | message.DataStream | message.Cookieless}
	pass := &PathRules{Resolves: message.NormalReading, Doubts: message.Doubtful &^ message.EncodedSlash}
	for _, c := range []struct {
		rules *PathRules
		path  string
		want  string // the route's path, or the fault
	}{
		{nil, "/@scope%2Fname", "/*"},
		{nil, "/api/v4/projects/group%2Fproject", "/api/*"},
		{nil, "/api/queues/%2f/jobs", "/api/*"},
		{nil, "/bucket//key", "/*"},
		{nil, "/bucket/a%5cb", "/*"},
		{nil, "/admin/x", "/admin/*"},
		{nil, "/%61dmin/x", "/admin/*"},
		{nil, "/admin%2fx", "ambiguous_path"},
		{nil, "/x%2f..%2fadmin", "ambiguous_path"},
		{nil, "/x/..%5cadmin", "ambiguous_path"},
		{nil, "/x/../admin", "ambiguous_path"},
		{nil, "/x/%2e%2e/admin", "ambiguous_path"},
		{nil, "/x/%252e%252e/admin", "ambiguous_path"},
		{nil, "/%2561dmin/x", "ambiguous_path"},
		{nil, "/%25%36%31dmin/x", "ambiguous_path"}, // the digits of an encoding that are encoded themselves
		{nil, "/%25%2536%31dmin/x", "ambiguous_path"},
		{nil, "/%25%32%35%36%31dmin/x", "ambiguous_path"},
		{nil, "/admin%25%32%66x", "ambiguous_path"},
		{nil, "/admin%252%66x", "ambiguous_path"},
		{nil, "/admin%25%32fx", "ambiguous_path"},
		{nil, "/x/%25%32%65%25%32%65/admin/x", "ambiguous_path"},
		{nil, "/x/..%25%32%66admin/x", "ambiguous_path"},
		{nil, "/x/..%25%35%63admin/x", "ambiguous_path"},
		{nil, "/x/..%25c0%25afadmin/x", "ambiguous_path"},
		{nil, "/100%25%25", "/*"},
		{nil, "/100%2525%25zz", "/*"},
		{nil, "/x/..;/admin", "ambiguous_path"},
		{nil, "/x/..%c0%afadmin", "ambiguous_path"},
		{nil, "//admin/x", "ambiguous_path"},
		{nil, "/a/../b", "/*"},
		{nil, "/../b", "bad_path"},
		{nil, "/a/..%2f..%2f..%2fb", "bad_path"},
		{nil, "/a%00", "bad_path"},
		{nil, "/a%zz", "bad_path"},
		{nil, "/a%2f%5c//%252f%c0%af", "ambiguous_path"}, // too many doubts to look at
		{nil, "/admin;x/y", "/*"},
		{tomcat, "/admin;x/y", "/admin/*"},
		{tomcat, "/x;y/../admin/z", "ambiguous_path"},
		{nil, "/ADMIN/x", "/*"},
		{iis, "/ADMIN/x", "/admin/*"},
		{iis, "/Admin./x", "/admin/*"},
		{iis, "/admin%20/x", "/admin/*"},
		{iis, "/admin::$DATA/x", "/admin/*"},
		{iis, "/admin%5cx", "/admin/*"},
		{iis, "/LOGIN", "~^/log"},
		{any, "/admin;/x", "ambiguous_path"},
		{any, "/;/admin/x", "ambiguous_path"},
		{any, "/admin./x", "ambiguous_path"},
		{any, "/admin%20/x", "ambiguous_path"},
		{any, "/admin::$DATA/x", "ambiguous_path"},
		{any, "/(S(x))/admin/y", "ambiguous_path"},
		{any, "/a(S(x))/y", "/*"},
		{iis, "/(S(x))/Admin/y", "ambiguous_path"},
		{iis, "/%28s(x)%29/y", "/*"},
		{iis, "/(S(x))/y", "/*"},
		{iis, "/ad/(S(x))min", "bad_path"},
		{nil, "/(S(x))/admin/y", "/*"},
		{&PathRules{Resolves: message.NormalReading | message.Cookieless}, "/(S(x))/admin/y", "/admin/*"},
		{any, "/file;v=1/a.txt.", "/*"},
		{pass, "/admin%2fx", "/*"},
		{pass, "/admin%5cx", "ambiguous_path"},
		{&PathRules{Resolves: message.NormalReading, Refuses: message.EncodedSlash}, "/x%2fy", "path_refused"},
		{&PathRules{Resolves: message.NormalReading, Refuses: message.Parameters}, "/x;y", "path_refused"},
		{&PathRules{Resolves: message.DotSegment}, "//admin/x", "/*"},
	} {
		spec := Spec{Pattern: "h", Paths: c.rules}
		for _, p := range []string{"/*", "/admin/*", "/api/*", "~^/log"} {
			r := route(t, p)
			if c.rules != nil && c.rules.Folds {
				r.Match.Path = r.Match.Path.Folded()
			}
			spec.Routes = append(spec.Routes, r)
		}
		ix, _ := NewIndex([]Spec{spec})
		r, _, fault := ix.FindSite([]byte("h")).Route(ask(t, "GET h/", ""), []byte(c.path), &PathBuffers{})
		got := ""
		switch {
		case fault != nil:
			got = fault.Reason
		case r != nil:
			got = r.Pattern
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", c.path, got, c.want)
		}
	}
}

func TestASiteOfOneWayTakesEveryReading(t *testing.T) {
	ix, _ := NewIndex([]Spec{{Pattern: "h", Routes: []*Route{route(t, "/*")}}})
	s := ix.FindSite([]byte("h"))
	b := &PathBuffers{}
	for _, path := range []string{"/a%2f%5c//x/../%252f%c0%af", "/x/../y", "//"} {
		if r, _, fault := s.Route(ask(t, "GET h/", ""), []byte(path), b); r == nil || fault != nil {
			t.Errorf("%s: %v", path, fault)
		}
		q := ask(t, "GET h/", "")
		if n := testing.AllocsPerRun(10, func() { s.Route(q, []byte(path), b) }); n > 1 {
			t.Errorf("%s: %v allocations", path, n)
		}
	}
	if _, _, fault := s.Route(ask(t, "GET h/", ""), []byte("/x/..%2f..%2fy"), b); fault == nil {
		t.Error("a reading leaves the root, and passes")
	}
}
