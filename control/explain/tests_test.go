package explain

import (
	"strings"
	"testing"

	"github.com/weir-proxy/weir/control/config"
)

const tested = `
listeners:
  http:  { address: ":80", redirect: https }
  https: { address: ":443", tls: { certificates: [x.pem] } }
pools: { api: { servers: [10.0.0.1:8080] }, b: { servers: [10.0.0.2:8080] } }
sites:
  a.example:
    /api/*: { pool: api, rewrite: "/v2/*", request_headers: { set: { X-Env: prod } }, response_headers: { set: { X-Out: "1" } } }
    /gone: { respond: { status: 410, headers: { X-Why: moved } } }
    /10/*: { pool: b, allow: [10.0.0.0/8] }
    /*: b
  s.example: http://127.0.0.1:9000
tests:
`

// failures runs one test and returns what it says.
func failures(t *testing.T, test string) string {
	t.Helper()
	cfg, problems := config.Parse("weir.yaml", []byte(tested+"  - "+test+"\n"))
	if len(problems.Errors()) > 0 {
		t.Fatalf("%s: %v", test, problems)
	}
	results := RunTests(cfg)
	if len(results) != 1 || results[0].Index != 0 {
		t.Fatalf("%s: %v", test, results)
	}
	return strings.Join(results[0].Failures, "; ")
}

func TestTestsOfAConfiguration(t *testing.T) {
	for test, want := range map[string]string{
		`{ request: "https://a.example/api/x", expect: api }`:                                                   "",
		`{ request: "https://a.example/api/x", expect: b }`:                                                     `pool: want "b", got pool "api"`,
		`{ request: "https://a.example/api/x?q", expect: { path: "/v2/x?q", route: /api/*, site: a.example } }`: "",
		`{ request: "https://a.example/api/x", expect: { path: /v2/y, route: /*, site: "*" } }`:                 `site: want "*", got "a.example"; route: want "/*", got "/api/*"; path: want "/v2/y", got "/v2/x"`,
		`{ request: "https://a.example/api/x", expect: { request_headers: { x-env: prod, Host: "~^a" } } }`:     "",
		`{ request: "https://a.example/api/x", expect: { request_headers: { X-Env: test, X-Y: "*" } } }`:        `request_headers: X-Env: want "test", got "prod"; request_headers: X-Y: want "*", got no such field`,
		`{ request: "https://a.example/api/x", expect: { headers: { X-Out: "1" } } }`:                           "",
		`{ request: "http://a.example/x?y", expect: { redirect: "https://a.example/x?y", status: 308 } }`:       "",
		`{ request: "http://a.example/x", expect: b }`:                                                          `pool: want "b", got status 308 to "https://a.example/x"`,
		`{ request: { host: a.example, path: /x }, expect: b }`:                                                 "",
		`{ request: "https://a.example/gone", expect: { status: 410, headers: { X-Why: moved } } }`:             "",
		`{ request: "https://a.example/gone", expect: { status: 404 } }`:                                        `status: want 404, got status 410 (none.request.responded)`,
		`{ request: "https://a.example/x", expect: { status: 200 } }`:                                           `status: want 200, got pool "b"`,
		`{ request: "https://a.example/10/x", expect: { status: 403 } }`:                                        "",
		`{ request: { url: "https://a.example/10/x", client: 10.1.1.1 }, expect: b }`:                           "",
		`{ request: "https://nowhere.example/", expect: { status: 404 } }`:                                      "",
		`{ request: "https://nowhere.example/", expect: b }`:                                                    `pool: want "b", got status 404 (weir.match.no_site)`,
		`{ request: "POST https://a.example/x", expect: { redirect: /y } }`:                                     `redirect: want "/y", got pool "b"`,
		`{ request: { url: "https://a.example/x", headers: { "Content-Length": "a" } }, expect: b }`:            `pool: want "b", got status 400 (client.read.malformed: bad_content_length)`,
		`{ request: "https://s.example/", expect: "http://127.0.0.1:9000" }`:                                    "",
	} {
		if got := failures(t, test); got != want {
			t.Errorf("%s\n got %s\nwant %s", test, got, want)
		}
	}
}
