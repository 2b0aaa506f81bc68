package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// mustParse loads a text that has no errors.
func mustParse(t *testing.T, text string) *Config {
	t.Helper()
	cfg, problems := Parse("weir.yaml", []byte(text))
	if cfg == nil {
		t.Fatalf("%v", problems.Errors())
	}
	return cfg
}

func TestNearestSettingWins(t *testing.T) {
	cfg := mustParse(t, `
defaults:
  timeouts: { connect: 1s, response: 2s, tunnel: off }
  body_limit: 1MiB
  request_headers: { set: { A: default, B: default }, remove: [C, D] }
  deny: [10.0.0.1]
pools:
  p: { servers: x:1, timeouts: { response: 3s, idle: 9s }, retries: 5 }
  q: { servers: y:1 }
sites:
  a:
    pool: p
    body_limit: 2MiB
    request_headers: { set: { a: site } }
    /x: { body_limit: off, timeouts: { connect: 7s }, request_headers: { remove: [B], add: { d: route } }, retries: 0 }
    /q: q
`)
	x, q, all := cfg.Sites[0].Routes[0], cfg.Sites[0].Routes[1], cfg.Sites[0].Routes[2]
	if got, want := x.Timeouts, (Timeouts{Connect: Duration(7 * time.Second), Response: Duration(3 * time.Second), Stream: Duration(24 * time.Hour), Idle: Duration(9 * time.Second)}); got != want {
		t.Errorf("timeouts of /x: %+v, want %+v", got, want)
	}
	if x.BodyLimit != 0 || q.BodyLimit != 2<<20 || all.BodyLimit != 2<<20 {
		t.Errorf("body limits %v %v %v", x.BodyLimit, q.BodyLimit, all.BodyLimit)
	}
	if x.Retries.Count != 0 || x.Retries.Budget != 0.2 || q.Retries.Count != 2 || all.Retries.Count != 5 {
		t.Errorf("retries %v %v %v", x.Retries, q.Retries, all.Retries)
	}
	if q.Timeouts.Response != Duration(2*time.Second) || q.Pool != "q" || x.Pool != "p" || all.Path != "/*" {
		t.Errorf("got %+v", q)
	}
	edit := x.RequestHeaders
	if len(edit.Set) != 1 || edit.Set[0].Name != "a" || len(edit.Add) != 1 || !reflect.DeepEqual(edit.Remove, []string{"B", "C"}) {
		t.Errorf("header edits %+v", edit)
	}
	if len(x.Deny) != 1 || x.Host != "preserve" {
		t.Errorf("got %v %q", x.Deny, x.Host)
	}
	if p := cfg.Pool("p"); p.Timeouts.Connect != Duration(time.Second) || p.Timeouts.Idle != Duration(9*time.Second) {
		t.Errorf("pool timeouts %+v", p.Timeouts)
	}
}

func TestShortFormsMeanTheSame(t *testing.T) {
	same := [][2]string{
		{`pools: { p: [x:1] }`, `pools: { p: { servers: [{ address: x:1, weight: 1 }] } }`},
		{`pools: { p: { servers: x:1, health: /h } }`, `pools: { p: { servers: [x:1], health: { path: /h, type: http, every: 3s } } }`},
		{`pools: { p: { servers: x:1, health: tcp } }`, `pools: { p: { servers: [x:1], health: {} } }`},
		{`pools: { p: { servers: x:443 } }`, `pools: { p: { servers: [x:443], tls: on } }`},
		{`pools: { p: { servers: x, tls: off } }`, `pools: { p: { servers: x:80 } }`},
		{`pools: { p: { servers: x:1, balance: hash } }`, `pools: { p: { servers: x:1, balance: { hash: { on: client_ip } } } }`},
		{`pools: { p: { servers: x:1, eject: on, retries: 2 } }`, `pools: { p: { servers: x:1, retries: { count: 2 } } }`},
		{`listeners: { a: ":80" }`, `listeners: { a: { address: [":80"] } }`},
		{`listeners: { a: [":80", ":81"] }`, `listeners: { a: { address: [80, 81] } }`},
		{`admin: 127.0.0.1:1`, `admin: { address: localhost:1 }`},
		{`logs: { access: /x.log }`, `logs: { access: { file: /x.log, format: combined } }`},
		{`tls: { certificates: a.pem }`, `tls: { certificates: [{ cert: a.pem }], min_version: "1.2" }`},
		{`sites: { x: { redirect: https } }`, `sites: { x: { redirect: { to: https, status: 308 } } }`},
		{`sites: { x: { respond: 404 } }`, `sites: { x: { respond: { status: 404 } } }`},
		{`tests: [{ request: POST http://x/, expect: { status: 404 } }]`, `tests: [{ request: { method: POST, url: http://x/ }, expect: { status: 404 } }]`},
	}
	for _, pair := range same {
		a, b := mustParse(t, pair[0]), mustParse(t, pair[1])
		a.positions, a.lines, a.mask = nil, nil, nil
		b.positions, b.lines, b.mask = nil, nil, nil
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%s\n%s\n%+v\n%+v", pair[0], pair[1], a, b)
		}
	}
}

func TestServersInRoutesArePoolsNamedAfterThem(t *testing.T) {
	cfg := mustParse(t, `
sites:
  a: https://10.0.0.1
  b: { /x: { servers: [10.0.0.2:1, { address: 10.0.0.3:1, weight: 2 }] }, /y: { servers: [10.0.0.2:1, { address: 10.0.0.3:1, weight: 2 }] } }
  c: "[::1]:8080"
`)
	var names []string
	for _, p := range cfg.Pools {
		names = append(names, p.Name)
	}
	want := []string{"https://10.0.0.1", "10.0.0.2:1,10.0.0.3:1*2", "[::1]:8080"}
	if !reflect.DeepEqual(names, want) {
		t.Errorf("pools %q, want %q", names, want)
	}
	p := cfg.Pool(cfg.Sites[0].Routes[0].Pool)
	if p.TLS == nil || !p.TLS.Verify || p.Servers[0].Address.Port != 443 || p.Balance.Method != "least_latency" || p.Eject.Consecutive != 5 {
		t.Errorf("got %+v", p)
	}
	if cfg.Sites[1].Routes[0].Pool != cfg.Sites[1].Routes[1].Pool {
		t.Error("equal servers are two pools")
	}
}

func TestListenersThatGoWithoutSaying(t *testing.T) {
	named := mustParse(t, `sites: { a: { respond: 200 } }`)
	if l := named.Listeners; len(l) != 2 || l[0].Redirect != "https" || l[1].TLS == nil || named.TLS.ACME == nil || named.TLS.ACME.CA[0] != "letsencrypt" {
		t.Errorf("with a name: %+v", l)
	}
	if off := mustParse(t, "tls: { acme: off }\nsites: { a: { respond: 200 } }"); len(off.Listeners) != 2 || !off.TLS.ACME.Off {
		t.Errorf("acme: off: %+v", off.TLS.ACME)
	}
	plainText := mustParse(t, `sites: { "*": { respond: 200 } }`)
	if l := plainText.Listeners; len(l) != 1 || l[0].Redirect != "" || l[0].Address[0].First != 80 {
		t.Errorf("without certificate: %+v", l)
	}
	secure := mustParse(t, `tls: { certificates: c.pem, min_version: "1.3" }`)
	if l := secure.Listeners; len(l) != 2 || l[0].Redirect != "https" || l[1].TLS.MinVersion != "1.3" || len(l[1].TLS.Certificates) != 1 {
		t.Errorf("with certificate: %+v", l)
	}
}

func TestEnvironmentAndFilesAreText(t *testing.T) {
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, "token"), []byte("s3cret\n"), 0o600)
	main := filepath.Join(dir, "weir.yaml")
	os.WriteFile(main, []byte(`
sites:
  a:
    respond: { body: "${WEIR_A} $${WEIR_A} $1 ${WEIR_NONE:-none} $" }
    request_headers: { set: { Authorization: { file: token }, X: "${WEIR_A}" } }
tls: { certificates: [c.pem] }
`), 0o600)
	t.Setenv("WEIR_A", "{ b: c }")
	cfg, problems := Load(main)
	if cfg == nil {
		t.Fatal(problems)
	}
	route := cfg.Sites[0].Routes[0]
	if got, want := route.Respond.Body, "{ b: c } ${WEIR_A} $1 none $"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	token := route.RequestHeaders.Set[0].Value
	if token.Value != "s3cret" || strings.Contains(token.String(), "s3cret") || route.RequestHeaders.Set[1].Value.String() != "${WEIR_A}" {
		t.Errorf("got %+v", token)
	}
	if got := cfg.TLS.Certificates[0].Cert; got != filepath.Join(dir, "c.pem") {
		t.Errorf("certificate %q is not beside the file that names it", got)
	}
}

func TestPosOfFindsKeysAndThoseAboveThem(t *testing.T) {
	cfg := mustParse(t, "pools:\n  p:\n    servers: [x:1,\n      y:1]\nsites:\n  \"*.a.b\": p\n")
	for path, want := range map[string]Pos{
		"pools.p":                  {"weir.yaml", 2, 3},
		"pools.p.servers[1]":       {"weir.yaml", 4, 7},
		"pools.p.health.path":      {"weir.yaml", 2, 3},
		`sites."*.a.b".timeouts.x`: {"weir.yaml", 6, 12},
		"nothing":                  {},
	} {
		if got := cfg.PosOf(path); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
	if got := cfg.ProblemAt("pools.p.servers[0]", "is %s", "away").String(); got != "weir.yaml:3:15: pools.p.servers[0]: is away" {
		t.Errorf("got %q", got)
	}
}

func TestEqualTextsAreEqualConfigs(t *testing.T) {
	a, b := mustParse(t, "pools: { p: x:1 }\nsites: { \"*\": p }"), mustParse(t, "\n\npools:\n  p: [x:1]\nsites:\n  \"*\": p")
	if !reflect.DeepEqual(a.Pools, b.Pools) || !reflect.DeepEqual(a.Sites, b.Sites) {
		t.Error("positions leak into the values")
	}
}

func TestFilesAreBounded(t *testing.T) {
	if _, problems := Parse("x", make([]byte, sizeMax+1)); len(problems) != 1 || !strings.Contains(problems[0].Message, "larger than 16MiB") {
		t.Errorf("got %v", problems)
	}
	if _, problems := Load("testdata/none.yaml"); len(problems) != 1 {
		t.Errorf("got %v", problems)
	}
	deep := strings.Repeat("- ", 100000)
	if _, problems := Parse("x", []byte(deep)); len(problems) != 1 {
		t.Errorf("got %d problems", len(problems))
	}
}

func TestNamedChecksAreTakenKeyByKey(t *testing.T) {
	cfg := mustParse(t, `
health_checks:
  web: { path: /healthz, every: 7s, timeout: 1s, expect: 204 }
pools:
  a: { servers: x:1, health: web }
  b: { servers: x:1, health: { use: web, every: 3s, host: b.example } }
  c: { servers: x:1, health: off }
  d: { servers: x:1, health: { script: [{ expect: "220 " }] } }
sites: { "*": { /a: a, /b: b, /c: c, /d: d } }
`)
	a, b, d := cfg.Pool("a").Health, cfg.Pool("b").Health, cfg.Pool("d").Health
	if a.Path != "/healthz" || a.Every.Std() != 7*time.Second || a.Type != "http" || len(a.Expect.Status) != 1 {
		t.Errorf("a: %+v", a)
	}
	if b.Path != "/healthz" || b.Every.Std() != 3*time.Second || b.Timeout.Std() != time.Second || b.Host != "b.example" {
		t.Errorf("b: %+v", b)
	}
	if cfg.Pool("c").Health != nil || d.Type != "script" {
		t.Errorf("c: %+v, d: %+v", cfg.Pool("c").Health, d)
	}
}
