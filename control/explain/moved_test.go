package explain

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-proxy/weir/control/config"
)

// withMoved is a configuration beside a redirects file.
func withMoved(t *testing.T, moved, site string) (*config.Config, config.Problems) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "moved.map"), []byte(moved), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Parse(filepath.Join(dir, "weir.yaml"), []byte(site))
}

func TestPathsThatHaveMovedAreRedirected(t *testing.T) {
	cfg, problems := withMoved(t, "# old pages\n/old.html /new\n/gone https://www.example.com/here?x=1 301\n"+
		"/index.php?id=12 /articles/12 302\r\n/index.php /start\n\n/caf%c3%a9 /coffee\n/written /file\n/asks https://{host}/x?was={query}\n/big /wide;\n", `
listeners: { web: ":80" }
sites:
  a.test:
    redirects: { file: moved.map, status: 307 }
    deny: [10.0.0.0/8]
    path: { case: ignore }
    /*: { respond: 200 }
    /written: { respond: 202 }
    /gone: { match: { methods: [POST] }, respond: 204 }
  b.test:
    redirects: moved.map
tests:
  - { request: http://a.test/old.html, expect: { redirect: /new, status: 307 } }
  - { request: "http://a.test/OLD.html?a=b", expect: { redirect: "/new?a=b" } }
  - { request: "http://a.test/gone?y=2", expect: { redirect: "https://www.example.com/here?x=1", status: 301 } }
  - { request: "http://a.test/index.php?id=12", expect: { redirect: "/articles/12", status: 302 } }
  - { request: "http://a.test/Index.php?id=13", expect: { redirect: "/start?id=13", status: 307 } }
  - { request: "http://a.test/caf%C3%A9", expect: { redirect: "/coffee" } }
  - { request: "http://a.test/./old.html", expect: { status: 400 } }
  - { request: "http://a.test/asks?q", expect: { redirect: "https://a.test/x?was=q" } }
  - { request: "http://a.test/written", expect: { status: 202 } }
  - { request: "POST http://a.test/gone", expect: { status: 204 } }
  - { request: "http://a.test/other", expect: { status: 200 } }
  - { request: "http://b.test/BIG", expect: { status: 404 } }
  - { request: "http://b.test/big", expect: { redirect: /wide, status: 308 } }
`)
	if len(problems.Errors()) > 0 {
		t.Fatal(problems)
	}
	for _, r := range RunTests(cfg) {
		if len(r.Failures) > 0 {
			t.Errorf("%s: %v", cfg.Tests[r.Index].Title(), r.Failures)
		}
	}
}

func TestARedirectsFileIsChecked(t *testing.T) {
	for text, want := range map[string]string{
		"/a\n":                  `moved.map:1:1: sites."a.test".redirects: want a path, a target and perhaps a status`,
		"/a /a\n":               "leads to itself",
		"/a /b 302 x\n":         "want a path, a target",
		"# x\n/a /b 305\n":      "moved.map:2:1",
		"a /b\n":                "a path starts with /",
		"/a/* /b\n":             "paths are exact here",
		"/a b.html\n":           "want a URL, a path",
		"/a /{hots}\n":          "{hots}",
		"/a /$1\n":              "$1",
		"/a /b\n/%61 /c\n":      `moved.map:2:1: sites."a.test".redirects: "/%61" stands in line 1 already`,
		"/a?x /b\n#\n/a?x /c\n": `moved.map:3:1: sites."a.test".redirects: "/a?x" stands in line 1 already`,
		"/a /b\n/%zz /c\n":      `moved.map:2:1: sites."a.test".redirects: "/%zz": no request matches it: malformed path`,
		"/%00 /c\n":             `moved.map:1:1: sites."a.test".redirects: "/%00": no request matches it: malformed path`,
		"/../x /c\n":            `"/../x": no request matches it: malformed path`,
		"/a /b\n/b /a\n":        `moved.map:1:1: sites."a.test".redirects: "/a" leads by way of line 2 to itself: a loop`,
		"/x /a\n/a /b?q\n/b /%63\n/c#/a\n/c /a\n": `"/a" leads by way of line 3, line 5 to itself: a loop`,
		"/a?x=1 /b?x=2\n/b?x=2 /a?x=1\n":          `"/a?x=1" leads by way of line 2 to itself: a loop`,
		"/a /%61\n":                               `"/a" leads to itself`,
		"/a%2fb /c\n":                             "in different ways",
		"":                                        "lists no path",
		"/a\x01 /b\n":                             "holds bytes",
		strings.Repeat("x\n", 50):                 "50 lines are, of which the first 20 are listed",
	} {
		cfg, problems := withMoved(t, text, "sites: { a.test: { redirects: moved.map, respond: 200 } }")
		if cfg != nil {
			_, more := Offline(cfg)
			problems = append(problems, more...)
		}
		if got := fmt.Sprint(problems); !strings.Contains(got, want) {
			t.Errorf("%q: %s\nwant %s", text, got, want)
		}
	}
}

// All that is wrong with a file is said at once, whatever kind it is of.
func TestAllBadLinesOfARedirectsFileAreReportedAtOnce(t *testing.T) {
	_, problems := withMoved(t, "/%zz /a\n/a /b\n/a /c\nx /y\n/d /e\n/e /d\n/f /{hots}\n", "sites: { a.test: { redirects: moved.map, respond: 200 } }")
	var lines []string
	for _, p := range problems {
		lines = append(lines, fmt.Sprint(p.Pos.Line))
	}
	if got := strings.Join(lines, " "); got != "1 3 4 5 7" {
		t.Errorf("problems in lines %s\n%v", got, problems)
	}
}

// What looks like a loop and is none.
func TestRedirectsThatEndAreNoLoops(t *testing.T) {
	for _, text := range []string{
		"/a /b\n/b https://a.test/a2\n",
		"/a /b{query}\n/b /a?x={query}\n",
		"/a /b\n/b /w\n/w /a\n",           // /w is a route of the site
		"/a /a?x\n/a?x /b\n",              // the query leads out
		"/a?x /a\n",                       // the query is left out
		"/a //other.test/a\n/b /a\n",      // another host
		"/a /b#c\n/b /c\n/c.html /a\n",    // a chain
		"/a /b?x=1\n/b /a\n/a?x=1 /end\n", // carried along, the query leads out
	} {
		if _, problems := withMoved(t, text, "sites: { a.test: { redirects: moved.map, /w: { respond: 200 }, /*: { respond: 404 } } }"); len(problems.Errors()) > 0 {
			t.Errorf("%q: %v", text, problems)
		}
	}
}
