package message

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestPathHasOneNormalForm(t *testing.T) {
	for in, want := range map[string]string{
		"/":                 "/",
		"/a/b":              "/a/b",
		"/a/./b":            "/a/b",
		"/a/../b":           "/b",
		"/a/b/..":           "/a/",
		"/a/.":              "/a/",
		"//a///b":           "/a/b",
		"/%61dmin":          "/admin",
		"/a%2db":            "/a-b",
		"/%e4%f6":           "/%E4%F6",
		"/a/%2e%2e/b":       "/b",
		"/a/%2E/b":          "/a/b",
		"/.well-known/x":    "/.well-known/x",
		"/...":              "/...",
		"/a;b=c/d":          "/a;b=c/d",
		"/a%20b":            "/a%20b",
		"/a//../b":          "/b",
		"/..":               "!",
		"/a/../..":          "!",
		"/%2e%2e/":          "!",
		"/a/..;/b":          "/b",
		"/a/.;x/b":          "/a/b",
		"/a%2fb":            "/a%2Fb",
		"/a%5cb":            "/a%5Cb",
		"/a%252fb":          "/a%252fb",
		"/a/..%2fb":         "/a/..%2Fb",
		"/a%20":             "/a%20",
		"/a/..%20/b":        "/b",
		"/a%00":             "!",
		"/a%":               "!",
		"/a%2":              "!",
		"/a%zz":             "!",
		"/a/../../etc/pass": "!",
	} {
		got, err := AppendNormalPath(nil, []byte(in))
		if err != nil {
			got = []byte("!")
		}
		if string(got) != want {
			t.Errorf("path %q: got %q, want %q", in, got, want)
		}
		if IsNormalPath([]byte(in)) && string(got) != in {
			t.Errorf("path %q passes for normal, and becomes %q", in, got)
		}
	}
}

func FuzzNormalPathIsStable(f *testing.F) {
	for _, s := range []string{"/a/../b", "/%61%2e/./", "//x", "/a;/..;"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) == 0 || in[0] != '/' {
			return
		}
		once, err := AppendNormalPath(nil, in)
		if err != nil {
			return
		}
		twice, err := AppendNormalPath(nil, once)
		if err != nil || string(once) != string(twice) {
			t.Fatalf("%q becomes %q and then %q (%v)", in, once, twice, err)
		}
	})
}

func TestReadings(t *testing.T) {
	const all = EncodedSlash | Backslash | DotSegment | RepeatedSlash | DoubleEncoding | Overlong
	const windows = all | TrailingDot | DataStream
	for _, c := range []struct {
		in      string
		resolve PathTraits
		want    string
		found   PathTraits
	}{
		{"/a%2Fb", EncodedSlash, "/a/b", EncodedSlash},
		{"/a%2Fb", 0, "/a%2Fb", EncodedSlash},
		{"/a%5cb", Backslash, "/a/b", Backslash},
		{"/a/..%2f..%5cb", 0, "/a/..%2F..%5Cb", EncodedSlash | Backslash},
		{"/x/a/..%2f..%5cb", all, "/b", EncodedSlash | Backslash | DotSegment},
		{"/a/..%2f..%2fb", all, "!", EncodedSlash | DotSegment},
		{"/a/../b", 0, "/a/../b", DotSegment},
		{"/a//b", 0, "/a//b", RepeatedSlash},
		{"//a", RepeatedSlash, "/a", RepeatedSlash},
		{"//..", DotSegment, "/", DotSegment | RepeatedSlash},
		{"/a%252Fb", DoubleEncoding, "/a%2Fb", DoubleEncoding | EncodedSlash},
		{"/a%252Fb", all, "/a/b", DoubleEncoding | EncodedSlash},
		{"/a%2525252Fb", all, "/a/b", DoubleEncoding | EncodedSlash},
		{"/100%25", all, "/100%25", 0},
		{"/100%25/x", all, "/100%25/x", 0},
		{"/100%2525", all, "/100%25", DoubleEncoding},
		{"/%252e%252e/a", all, "!", DoubleEncoding | DotSegment},
		{"/a%c0%afb", all, "/a/b", Overlong | EncodedSlash},
		{"/a%c0%afb", 0, "/a%C0%AFb", Overlong},
		{"/a%e0%80%afb", all, "/a/b", Overlong | EncodedSlash},
		{"/a%f0%80%80%afb", all, "/a/b", Overlong | EncodedSlash},
		{"/a%c1%81b", all, "/aAb", Overlong},
		{"/%e0%81%81", all, "/A", Overlong},
		{"/%e0%a4%85", all, "/%E0%A4%85", 0},
		{"/%c3%a4", all, "/%C3%A4", 0},
		{"/a%2500", all, "!", DoubleEncoding},
		{"/admin;x=1/y", Parameters, "/admin/y", Parameters},
		{"/a;x/..;y/b", Parameters | DotSegment, "/b", Parameters | DotSegment},
		{"/a/..;y/b", DotSegment, "/b", Parameters | DotSegment},
		{"/a/..;y/b", 0, "/a/..;y/b", Parameters | DotSegment},
		{"/admin./x%20/y.%20.", windows, "/admin/x/y", TrailingDot},
		{"/admin.", 0, "/admin.", TrailingDot},
		{"/a/..%20/b", windows, "/b", DotSegment},
		{"/x.asp::$DATA", windows, "/x.asp", DataStream},
		{"/x.asp%3A%3a%24DATA", windows, "/x.asp", DataStream},
		{"/dir:$i30:$INDEX_ALLOCATION/x", windows, "/dir/x", DataStream},
		{"/(S(abc))/admin", Cookieless, "/admin", Cookieless},
		{"/(S(abc))/admin", 0, "/(S(abc))/admin", Cookieless},
		{"/a/%28s%28x%29%29/b", Cookieless, "/a/b", Cookieless},
		{"/a/(A(x)F(y))", Cookieless, "/a/", Cookieless},
		{"/a/(S())/(X(1))/b", Cookieless, "/a/b", Cookieless},
		{"/a/(S(x)).%20/b", Cookieless | TrailingDot, "/a/b", Cookieless | TrailingDot},
		{"/ad/(S(x))min", Cookieless, "!", Cookieless},
		{"/ad/(S(x))min", 0, "/ad/(S(x))min", Cookieless},
		{"/wiki/(a(b)c)/f(x)/(1(2))/(S(x", Cookieless, "/wiki/(a(b)c)/f(x)/(1(2))/(S(x", 0},
		{"/v1/items:batch", windows, "/v1/items:batch", 0},
		{"*", all, "*", 0},
	} {
		out, found, err := AppendReading(nil, []byte(c.in), c.resolve)
		if err != nil {
			out = []byte("!")
		}
		if string(out) != c.want || found != c.found {
			t.Errorf("%s resolving %09b: got %s with %09b, want %s with %09b", c.in, c.resolve, out, found, c.want, c.found)
		}
	}
}

// TestReadingsAreLinear: what a path costs must not grow faster than the path.
func TestReadingsAreLinear(t *testing.T) {
	for _, piece := range []string{"%25", "../", "a/../", "//", "%c0%ae", ".", "%20", ":", "%2f", ";", "/a", "/(S(x))", "(S(", ")x", "/(a(b)"} {
		cost := func(n int) float64 {
			path := []byte("/" + strings.Repeat(piece, n))
			buf := make([]byte, 0, 2*len(path))
			best := time.Duration(math.MaxInt64)
			for range 20 {
				began := time.Now()
				AppendReading(buf, path, ^PathTraits(0))
				best = min(best, time.Since(began))
			}
			return float64(best)
		}
		if small, large := cost(400), cost(6400); large > 64*small {
			t.Errorf("%q: 16 times the path costs %.0f times as much", piece, large/small)
		}
	}
}
