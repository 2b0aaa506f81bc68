package message

import "testing"

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
		"/a/..;/b":          "!",
		"/a/.;x/b":          "!",
		"/a%2fb":            "!",
		"/a%5cb":            "!",
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
