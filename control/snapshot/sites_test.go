package snapshot

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/traffic/site"
)

func sites(t *testing.T, text string) (*site.Index, config.Problems) {
	t.Helper()
	cfg, problems := config.Parse("weir.yaml", []byte(text))
	if len(problems.Errors()) > 0 {
		t.Fatal(problems)
	}
	return BuildSites(cfg, func(string) *site.Destination { return &site.Destination{} })
}

// only is the single route of a single site.
func only(t *testing.T, text string) *site.Route {
	t.Helper()
	index, problems := sites(t, text)
	if len(problems) > 0 || len(index.Sites()) != 1 || len(index.Sites()[0].Routes()) != 1 {
		t.Fatalf("%v %v", index, problems)
	}
	return index.Sites()[0].Routes()[0]
}

func TestRoutesCarryWhatTheFileSays(t *testing.T) {
	r := only(t, `
sites:
  A.example:
    /api/*:
      servers: [10.0.0.1:80]
      host: server
      body_limit: 2KiB
      timeouts: { response: 5s, tunnel: off }
      retries: 0
      priority: 3
      allow: [10.0.0.0/8]
      rewrite: /v2/*
      match: { methods: [GET], headers: { X-A: "~^y" }, query: { q: "*" }, clients: [10.0.0.0/8] }
`)
	m := &r.Match
	switch {
	case r.Site != "a.example" || r.Pattern != "/api/*" || r.Name != "a.example/api/*" || r.Place != "weir.yaml:4:5":
		t.Errorf("named %+v", r)
	case r.Host != site.HostServer || r.BodyLimit != 2048 || r.Response.Seconds() != 5 || r.Tunnel != forEver || r.Retries != 0:
		t.Errorf("settings %+v", r)
	case r.Access == nil || r.Access.Deny != nil || !r.UsesGroups || r.Rewrite == nil || r.RequestHeaders != nil || r.ResponseHeaders != nil:
		t.Errorf("filters %+v", r)
	case len(m.Methods) != 1 || m.Headers[0].Regexp == nil || !m.Query[0].Present || m.Clients == nil || m.Priority != 3:
		t.Errorf("match %+v", m)
	case r.Destination == nil || r.Redirect != nil || r.Respond != nil:
		t.Errorf("action %+v", r)
	}
}

func TestGroupsAreGatheredOnlyWhereATemplateAsks(t *testing.T) {
	for text, want := range map[string]bool{
		`{ sites: { a: { /x/*: { redirect: "/y/*" } } } }`:                                            true,
		`{ sites: { a: { /x/*: { redirect: "{uri}", request_headers: { set: { X: "*" } } } } } }`:     false,
		`{ sites: { a: { /x/*: { servers: [h:1], rewrite: { path: "/$1", pattern: "^/(.*)" } } } } }`: false,
		`{ sites: { a: { "~^/(.)": { servers: [h:1], rewrite: "/$1" } } } }`:                          true,
		`{ sites: { a: { /x/*: { servers: [h:1], rewrite: { query: { remove: [x] } } } } } }`:         false,
		`{ sites: { a: { /x/*: { redirect: https } } } }`:                                             false,
	} {
		if r := only(t, text); r.UsesGroups != want {
			t.Errorf("%s: %v", text, r.UsesGroups)
		}
	}
}

func TestASecretOutOfAFileIsNoTemplate(t *testing.T) {
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, "key"), []byte("{host} a{b}\n"), 0o600)
	os.WriteFile(filepath.Join(dir, "weir.yaml"), []byte(`{ sites: { a: { /*: { respond: { headers: { X: { file: key } } } } } } }`), 0o600)
	cfg, problems := config.Load(filepath.Join(dir, "weir.yaml"))
	if len(problems.Errors()) > 0 {
		t.Fatal(problems)
	}
	index, problems := BuildSites(cfg, nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if got := string(index.Sites()[0].Routes()[0].Respond.Headers.Append(nil, nil)); got != "X: {host} a{b}\r\n" {
		t.Errorf("got %q", got)
	}
}

func TestProblemsOfSitesHaveTheirPlace(t *testing.T) {
	for text, want := range map[string]string{
		"sites:\n  a:\n    /x%2fy: http://h": `weir.yaml:3:13: sites.a."/x%2fy": "/x%2fy": servers read an encoded slash, backslash or percent sign in different ways`,
		"sites:\n  a:\n    /x:\n      - { match: { methods: [GET, PUT] }, servers: [h] }\n      - { match: { methods: [GET] }, servers: [h] }": `weir.yaml:5:9: sites.a."/x"[1]: warning: can never match: "/x" at weir.yaml:4:9 takes all its requests`,
		"sites:\n  a:\n    /x/*: http://h\n    ~^/: http://h":                                                                             `weir.yaml:3:11: sites.a."/x/*": warning: can never match: "~^/" at weir.yaml:4:10 takes all its requests`,
		"sites:\n  a:\n    /x:\n      - { match: { methods: [GET] }, servers: [h] }\n      - { match: { methods: [GET] }, servers: [h] }": "",
	} {
		_, problems := sites(t, text)
		var got []string
		for _, p := range problems {
			got = append(got, p.String())
		}
		if strings.Join(got, "\n") != want {
			t.Errorf("%s\n got %q\nwant %q", text, got, want)
		}
	}
}

func TestARouteMayHaveATimeToConnectOfItsOwn(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"/x: { pool: p }": 0,
		"/x: { pool: p, timeouts: { connect: 2s } }":      0,
		"/x: { pool: p, timeouts: { connect: 9s } }":      9 * time.Second,
		"/x: { pool: p, timeouts: { connect: off } }":     forEver,
		"/x: { servers: [h], timeouts: { connect: 9s } }": 9 * time.Second,
		"/x: { pool: p, timeouts: { response: 5h } }":     0,
	} {
		index, problems := sites(t, "pools: { p: { servers: [10.0.0.1:80], timeouts: { connect: 2s } } }\nsites:\n  a:\n    "+text)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		if got := index.Sites()[0].Routes()[0].Connect; got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

func TestRedirectsToHTTPSLeadWhereItIsTaken(t *testing.T) {
	for text, want := range map[string]string{
		`{ a: { address: ":80", redirect: https }, b: { address: ":8443", tls: on } }`:                                                  "8443",
		`{ a: { address: ":80", redirect: https }, p: { address: ":8444", protocol: tls, pool: x }, b: { address: ":8443", tls: on } }`: "8443",
		`{ a: { address: ":80", redirect: https }, p: { address: ":8444", protocol: tls, pool: x } }`:                                   "8444",
		`{ a: { address: ":80", redirect: https } }`:                                                                                    "443",
	} {
		cfg, problems := config.Parse("weir.yaml", []byte("listeners: "+text+"\npools: { x: { servers: [\"10.0.0.1:1\"] } }\nsites: { a.test: x }"))
		if cfg == nil {
			t.Fatal(problems)
		}
		if got := SecurePort(cfg, &cfg.Listeners[0]); got != want {
			t.Errorf("%s: port %s, want %s", text, got, want)
		}
	}
}
