package explain

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/weir-proxy/weir/telemetry/reason"
)

const guarded = `
listeners:
  clear:    { address: ":80", trusted_proxies: [10.0.0.0/8] }
  redirect: { address: ":81", redirect: https }
  https:    { address: ":443", tls: on }
  own:      { address: ":444", tls: { client_auth: off } }
tls: { acme: off, client_auth: clients.pem }
sites:
  all.test:    { respond: 200 }
  free.test:   { tls: { client_auth: off }, respond: 200 }
  maybe.test:  { tls: { client_auth: { ca: more.pem, verify: optional } }, respond: 200 }
  tls.test:    { tls: { min_version: "1.2", client_auth: off }, respond: 200 }
  modern.test: { tls: { min_version: "1.3", client_auth: off }, respond: 200 }
admin: off
`

func TestExplainKnowsWhatSitesAskOfTheirConnections(t *testing.T) {
	w := world(t, guarded)
	for _, c := range []struct {
		url, proto string
		status     int
		says       string // of the connection, in the answer's why
	}{
		{"http://all.test/", "", 421, "a certificate of the client is required"},
		{"http://all.test/", "https", 421, "a certificate of the client is required"},
		{"http://maybe.test/", "", 421, "a certificate of the client is asked for"},
		{"http://modern.test/", "", 421, "TLS 1.3"},
		{"http://tls.test/", "", 421, "TLS 1.2"},
		{"https://tls.test/", "", 200, ""},
		{"http://free.test/", "", 200, ""},
		{"http://all.test:81/", "", 308, ""},
		{"http://modern.test:81/", "", 308, ""},
		{"https://all.test/", "", 200, "a certificate of the client is required, signed by clients.pem"},
		{"https://maybe.test/", "", 200, "a certificate of the client is asked for, signed by more.pem"},
		{"https://modern.test/", "", 200, "TLS 1.3"},
		{"https://free.test/", "", 200, ""},
		{"https://all.test:444/", "", 200, ""},
	} {
		r := &Request{URL: c.url}
		if c.proto != "" {
			r.Client, r.Fields = netip.MustParseAddr("10.0.0.1"), []Field{{"X-Forwarded-Proto", c.proto}}
		}
		a, err := w.Explain(r)
		if err != nil || a.Local == nil || a.Local.Status != c.status || c.status == 421 && a.Local.Reason != reason.ClientPolicy.String() {
			t.Errorf("%s: %+v %v, want %d", c.url, a.Local, err, c.status)
			continue
		}
		var said string
		for _, s := range a.Why {
			if s.What == "tls" {
				said = s.Why
			}
		}
		if hasSite := slices.ContainsFunc(a.Why, func(s Step) bool { return s.What == "site" && s.Taken }); hasSite != (c.status != 308) {
			t.Errorf("%s: why has a site: %v", c.url, hasSite)
		}
		if !strings.Contains(said, c.says) || c.says == "" && said != "" {
			t.Errorf("%s: says %q, want %q", c.url, said, c.says)
		}
	}
}

// Without a listener with TLS, what the URL says of it is somebody else's: weir sees clear text.
func TestTLSThatAnotherProxyEndsShowsNoCertificate(t *testing.T) {
	w := world(t, `{ listeners: { a: ":80" }, tls: { client_auth: clients.pem }, sites: { a.test: { respond: 200 } } }`)
	if a, err := w.Explain(&Request{URL: "https://a.test/"}); err != nil || a.Local.Status != 421 {
		t.Errorf("%+v %v", a, err)
	}
}
