package explain

import (
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-proxy/weir/control/config"
)

var update = flag.Bool("update", false, "write the golden files anew")

func world(t testing.TB, text string) *World {
	t.Helper()
	cfg, problems := config.Parse("weir.yaml", []byte(text))
	if len(problems.Errors()) > 0 {
		t.Fatal(problems)
	}
	w, problems := Offline(cfg)
	if len(problems.Errors()) > 0 {
		t.Fatal(problems)
	}
	return w
}

func published(t testing.TB) *World {
	t.Helper()
	text, err := os.ReadFile("testdata/weir.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return world(t, string(text))
}

// questions are the golden cases: a file name and the request, as on the command line.
var questions = []struct{ name, method, url, client, fields string }{
	{"pool", "GET", "https://app.example.com/api/users?page=2", "", ""},
	{"pool_in_the_open", "GET", "http://app.example.com:80/api/users?page=2", "", ""},
	{"exact", "GET", "https://app.example.com/login", "", ""},
	{"by_header", "GET", "https://app.example.com/api/x", "", "X-Canary: yes"},
	{"by_method", "POST", "https://app.example.com/login", "", "Content-Length: 3"},
	{"too_large", "POST", "https://app.example.com/login", "", "Content-Length: 2000"},
	{"rewritten", "GET", "https://app.example.com/old/a/b?x=1&debug", "", "Cookie: a=b\nConnection: X-Hop\nX-Hop: 1\nX-Forwarded-For: 10.9.9.9\nX-Debug: 1"},
	{"rewritten_out_of_bounds", "GET", "https://app.example.com/user/x", "", "X-User: ../admin"},
	{"redirect", "GET", "https://www.example.com/x?y=z", "", ""},
	{"respond", "GET", "https://app.example.com/maintenance", "", ""},
	{"denied", "GET", "https://app.example.com/admin/x", "", ""},
	{"allowed", "GET", "https://app.example.com/admin/x", "::ffff:10.0.0.9", ""},
	{"through_a_trusted_proxy", "GET", "https://app.example.com/admin/x", "172.16.0.1", "X-Forwarded-For: 198.51.100.1, 10.1.1.1\nX-Forwarded-Proto: http\nX-Forwarded-Host: pub.example"},
	{"normal_form", "GET", "https://APP.example.com./%61pi/../api//x", "", ""},
	{"no_normal_form", "GET", "https://app.example.com/api/%2e%2e/%2e%2e/x", "", ""},
	{"malformed", "GET", "https://app.example.com/", "", "Bad Name: x"},
	{"no_site", "GET", "https://other.test/", "", ""},
	{"no_route", "GET", "https://strict.example.com/other", "", ""},
	{"split_by_key", "GET", "https://beta.example.com/x", "", "X-User: anna"},
	{"split_drawn", "GET", "https://beta.example.com/x", "", ""},
	{"split_by_cookie", "GET", "https://beta.example.com/c/x", "", ""},
	{"in_maintenance", "GET", "https://works.example.org/x", "192.0.2.1", ""},
	{"let_in", "GET", "https://works.example.org/x", "10.1.2.3", ""},
	{"error_page", "GET", "https://works.example.org/lost", "", ""},
	{"server_host", "GET", "https://b.glob.test/x", "", ""},
}

func TestExplanations(t *testing.T) {
	w := published(t)
	for _, c := range questions {
		t.Run(c.name, func(t *testing.T) {
			r := &Request{Method: c.method, URL: c.url}
			if c.client != "" {
				r.Client = netip.MustParseAddr(c.client)
			}
			for line := range strings.SplitSeq(c.fields, "\n") {
				if f, err := ParseField(line); err == nil {
					r.Fields = append(r.Fields, f)
				}
			}
			a, err := w.Explain(r)
			if err != nil {
				t.Fatal(err)
			}
			var text strings.Builder
			if err := a.Write(&text); err != nil {
				t.Fatal(err)
			}
			compare(t, c.name+".txt", text.String())
			if c.name == "rewritten" {
				data, _ := json.MarshalIndent(a, "", "  ")
				compare(t, c.name+".json", string(data)+"\n")
			}
		})
	}
}

func compare(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || string(want) != got {
		t.Errorf("%v; got\n%s\nwant\n%s", err, got, want)
	}
}

func TestQuestionsThatCannotBeAsked(t *testing.T) {
	w := published(t)
	for _, r := range []Request{
		{URL: ""}, {URL: "/path"}, {URL: "ftp://x/"}, {URL: "https://"}, {URL: "https://u:p@x/"}, {URL: "https://x/\r\nX: y"},
		{URL: "https://x/", Fields: []Field{{"A", "b\r\nc: d"}}}, {URL: "https://x/", Method: "G\nET"},
	} {
		if a, err := w.Explain(&r); err == nil {
			t.Errorf("%+v: %+v", r, a)
		}
	}
}

func TestTheListenerIsTheOneOfTheURL(t *testing.T) {
	w := world(t, `
listeners:
  http:  { address: ":80", redirect: https }
  https: { address: [":443", ":8443-8449"], tls: { certificates: [x.pem] } }
  inner: { address: "127.0.0.1:8080" }
sites: { "*": http://127.0.0.1:9 }
`)
	for url, want := range map[string]string{
		"http://a/": "http", "https://a/": "https", "https://a:8445/": "https", "http://a:8080/": "inner", "a:80/": "http", "a/": "https",
		"http://a:1/": "inner", "https://a:1/": "https", "a:8080": "inner", "http://[::1]:8080/": "inner",
	} {
		if a, err := w.Explain(&Request{URL: url}); err != nil || a.Listener != want {
			t.Errorf("%s: got %v %v, want %s", url, a, err, want)
		}
	}
}

func TestWithoutTLSThatWeirEndsHTTPSIsServedAllTheSame(t *testing.T) {
	w := world(t, `{ sites: { a.example: { /*: http://127.0.0.1:9 } } }`)
	a, err := w.Explain(&Request{URL: "https://a.example/x"})
	if err != nil || a.Pool == nil || a.Scheme != "https" {
		t.Errorf("got %+v %v", a, err)
	}
}
