package routes

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/control/explain"
	"github.com/weir-proxy/weir/control/lifecycle"
	"github.com/weir-proxy/weir/test/peers"
)

const published = `
listeners:
  plain:  { address: "127.0.0.1:PLAIN" }
  behind: { address: "127.0.0.1:BEHIND", trusted_proxies: [127.0.0.0/8, 10.0.0.0/8] }
  moved:  { address: "127.0.0.1:MOVED", trusted_proxies: [127.0.0.0/8], redirect: https }
logs: { access: off }
pools:
  a: { servers: [SERVER_A] }
  b: { servers: [SERVER_B] }
sites:
  app.test:
    path: { servers: any, case: exact }
    response_headers: { set: { X-Out: weir }, remove: [X-Powered-By] }
    /*: a
    /login: { pool: b, body_limit: 100, via: on, request_headers: { remove: [CDN-Loop, X-Forwarded-Proto], set: { Client-Cert: none } } }
    /api/*:
      - pool: a
      - { match: { headers: { X-Canary: "~^y" } }, pool: b }
      - { match: { methods: [POST, PUT] }, pool: b, host: server }
      - { match: { query: { "a b": "1" } }, respond: { status: 418, body: tea, headers: { X-Tea: "{client_ip}" } } }
    "~^/(en|de)/(.*)$": { pool: b, rewrite: { path: "/$2/$1" }, host: inner.test }
    "~^/profile/(?P<who>[^/]+)$": { pool: a, rewrite: "/p?id=$who&n=$1&{query}" }
    /old/*: { pool: a, rewrite: { path: "/new/*", query: { remove: [x], set: { host: "{host}" }, add: { p: "{path}" } } } }
    /user/*: { pool: a, rewrite: "/u/{header:X-User}", request_headers: { set: { X-User: "{scheme}" }, remove: [X-Tag, Cookie] } }
    /away/*: { redirect: { to: "{scheme}://other.test/*?{query}", status: 307 } }
    /secure: { redirect: https }
    /admin/*: { pool: b, allow: [10.0.0.0/8] }
    /local/*: { pool: b, match: { clients: [127.0.0.0/8] }, deny: [10.9.0.0/16] }
  "*.app.test": b
  "glob*.test": { /only/*: a }
  modern.test: { tls: { min_version: "1.3" }, /*: a }
`

// start runs a weir of two servers and returns it, its servers, and the ports of its listeners.
func start(t *testing.T) (d *lifecycle.Daemon, servers map[string]*server, plain, behind, moved string) {
	t.Helper()
	servers = map[string]*server{"a": newServer(t, "a"), "b": newServer(t, "b")}
	addresses, err := peers.FreeAddresses(3)
	if err != nil {
		t.Fatal(err)
	}
	plain, behind, moved = peers.Port(addresses[0]), peers.Port(addresses[1]), peers.Port(addresses[2])
	text := strings.NewReplacer("PLAIN", plain, "BEHIND", behind, "MOVED", moved, "SERVER_A", servers["a"].address, "SERVER_B", servers["b"].address).Replace(published)
	load := func() (*config.Config, config.Problems) { return config.Parse("weir.yaml", []byte(text)) }
	d, problems, err := lifecycle.Start(lifecycle.Options{Load: load, Loops: 1, Log: slog.New(slog.DiscardHandler)})
	if err != nil || len(problems.Errors()) > 0 {
		t.Fatal(err, problems)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := d.Stop(ctx, nil); err != nil {
			t.Error(err)
		}
	})
	return d, servers, plain, behind, moved
}

func TestExplainSaysWhatHappens(t *testing.T) {
	d, servers, plain, behind, moved := start(t)
	w := explain.New(d.Config(), d.Snapshot().Sites)
	ends := map[string]int{}
	for seed := range uint64(3000) {
		port := []string{plain, behind, plain, behind, moved}[seed%5]
		r := randomRequest(rand.New(rand.NewPCG(seed, 3)), port)
		said, err := w.Explain(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := send(r, port)
		if err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
		reached := map[string][]string{"a": servers["a"].take(), "b": servers["b"].take()}
		for _, wrong := range differences(said, got, reached) {
			t.Errorf("%+v: %s", r, wrong)
		}
		if t.Failed() {
			return
		}
		if said.Local != nil {
			ends[fmt.Sprint(said.Local.Status)]++
		} else {
			ends[said.Pool.Name]++
		}
	}
	for _, end := range []string{"a", "b", "307", "308", "400", "403", "404", "413", "418", "421"} {
		if ends[end] == 0 {
			t.Errorf("no request ended at %s: the test says little; %v", end, ends)
		}
	}
}

// send sends the request as it is.
func send(r *explain.Request, port string) (*http.Response, error) {
	c, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	host, path, _ := strings.Cut(strings.TrimPrefix(r.URL, "http://"), "/")
	raw := r.Method + " /" + path + " HTTP/1.1\r\nHost: " + host + "\r\n"
	body := ""
	for _, f := range r.Fields {
		raw += f.Name + ": " + f.Value + "\r\n"
		if f.Name == "Content-Length" {
			n, _ := strconv.Atoi(f.Value)
			body = strings.Repeat("x", n)
		}
	}
	if _, err := io.WriteString(c, raw+"\r\n"+body); err != nil {
		return nil, err
	}
	return http.ReadResponse(bufio.NewReader(c), &http.Request{Method: r.Method})
}

// differences holds what was said against what the client got and what reached the servers.
func differences(said *explain.Answer, got *http.Response, reached map[string][]string) (list []string) {
	differ := func(what string, said, is any) {
		if fmt.Sprint(said) != fmt.Sprint(is) {
			list = append(list, fmt.Sprintf("%s: said %q, is %q", what, said, is))
		}
	}
	for _, f := range said.ResponseSet {
		differ("field "+f.Name, []string{f.Value}, got.Header[f.Name])
	}
	if l := said.Local; l != nil {
		differ("status", l.Status, got.StatusCode)
		differ("Location", l.Location, got.Header.Get("Location"))
		for _, f := range l.Fields {
			differ("field "+f.Name, f.Value, got.Header.Get(f.Name))
		}
		differ("requests at servers", 0, len(reached["a"])+len(reached["b"]))
		return list
	}
	p := said.Pool
	differ("server", p.Name, got.Header.Get("X-Test-Name"))
	for _, name := range said.ResponseRemove {
		if !slices.ContainsFunc(said.ResponseSet, func(f explain.Field) bool { return f.Name == name }) {
			differ("field "+name, "", got.Header.Get(name))
		}
	}
	if len(reached[p.Name]) != 1 || len(reached["a"])+len(reached["b"]) != 1 {
		return append(list, fmt.Sprintf("the servers got %q", reached))
	}
	lines := strings.Split(strings.TrimSuffix(reached[p.Name][0], "\r\n\r\n"), "\r\n")
	differ("request line", p.Method+" "+p.Target+" HTTP/1.1", lines[0])
	want := []string{}
	for _, f := range p.Fields {
		want = append(want, f.Name+": "+f.Value)
	}
	slices.Sort(want)
	slices.Sort(lines[1:])
	differ("fields", strings.Join(want, "\n"), ownName.ReplaceAllString(strings.Join(lines[1:], "\n"), "${1}weir"))
	return list
}

// ownName is what the running weir calls itself, each time anew.
var ownName = regexp.MustCompile("(?m)^((?:Via: 1.1|CDN-Loop:) )weir-[A-Z2-7]{10}$")

// randomRequest is a request of pieces that meet the configuration often.
func randomRequest(c *rand.Rand, port string) *explain.Request {
	of := func(words ...string) string { return words[c.IntN(len(words))] }
	host := of("app.test", "app.test", "app.test", "APP.test.", "x.app.test", "x.y.app.test", "globe.test", "glob.test", "modern.test", "other.test")
	path := of("", "login", "login/", "api", "api/x", "api/x", "apix", "en/a/b", "de/", "fr/x", "old/a/b", "old", "user/x", "away/x/y", "secure", "profile/a&b%20c",
		"admin/x", "local/x", "only/x", "%61pi/x", "api/../login", "a//b/./c", "..", "%2e%2e/x", "a%2fb", "a%20b", "en/..%2f", "api/a%2fb",
		"api/a%252fb", "api//x", "api/..%2flogin", "x%5cy", "old/a%2Fb//c", "api/.;x/y", "old/..%5cx", "%c0%afapi/x")
	r := &explain.Request{
		Method: of("GET", "GET", "POST", "PUT", "HEAD", "DELETE"),
		URL:    "http://" + host + ":" + port + "/" + path + of("", "", "?", "?x=1&y=2", "?a+b=1", "?%61%20b=1&x", "?&&"),
		Client: netip.MustParseAddr("127.0.0.1"),
	}
	for _, f := range []explain.Field{
		{Name: "X-Canary", Value: of("yes", "no")}, {Name: "Cookie", Value: "k=v"}, {Name: "X-Tag", Value: "1"},
		{Name: "X-User", Value: of("ann", "..", "a b", "a/b", "%2e%2e", "")},
		{Name: "Connection", Value: of("keep-alive", "close", "X-Tag", "x-tag, keep-alive", "Cookie", "Upgrade")},
		{Name: "X-Forwarded-For", Value: of("10.1.1.1", "198.51.100.1, 10.2.2.2", "10.9.1.1", "garbage", "2001:db8::1")},
		{Name: "X-Forwarded-Proto", Value: of("https", "http", "gopher")}, {Name: "X-Forwarded-Host", Value: "pub.test"},
		{Name: "X-Real-IP", Value: "10.0.0.1"}, {Name: "Forwarded", Value: of("for=10.0.0.1", "for=192.0.2.9;proto=https;host=told.test")}, {Name: "TE", Value: "trailers"},
		{Name: "Via", Value: "1.0 before"}, {Name: "X-Forwarded-Port", Value: "8443"}, {Name: "Client-Cert", Value: ":forged:"},
		{Name: "Destination", Value: of("http://"+host+":"+port+"/old/new", "https://elsewhere.test/x", "/old/y")}, {Name: "Referer", Value: "http://" + host + ":" + port + "/old/z"},
		{Name: "If", Value: "<http://" + host + ":" + port + "/old/q> (<urn:x>)"}, {Name: "X_Tag", Value: "2"}, {Name: "X.Canary", Value: "yes"}, {Name: "X_Forwarded_For", Value: "10.0.0.1"},
	} {
		if c.IntN(6) == 0 || f.Name == "X-User" && strings.HasPrefix(path, "user") {
			r.Fields = append(r.Fields, f)
		}
		if n := len(r.Fields); n > 0 && r.Fields[n-1].Value == "Upgrade" {
			r.Fields = append(r.Fields, explain.Field{Name: "Upgrade", Value: of("websocket", "h2c")})
		}
	}
	if r.Method == "POST" || r.Method == "PUT" {
		r.Fields = append(r.Fields, explain.Field{Name: "Content-Length", Value: of("7", "150")})
	}
	return r
}
