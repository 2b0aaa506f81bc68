package config

import (
	"strings"
	"testing"
)

// A route that leads to the same URL by https takes no client that is there already. Check says where that leaves none, or sends them where nothing is.
func TestRedirectsToHTTPSThatLeadNowhereAreWarnedOf(t *testing.T) {
	const (
		clear  = `http: { address: ":80" }`
		secure = `https: { address: ":443", tls: { certificates: [x.pem] } }`
	)
	for name, c := range map[string]struct{ listeners, site, want string }{
		"TLS alone":                 {secure, `redirect: https`, "there are none"},
		"TLS alone, below the site": {secure, `/*: http://127.0.0.1:9, /a/*: { redirect: https }`, "there are none"},
		"TLS alone, in full":        {secure, `redirect: "https://{host}{uri}"`, "there are none"},
		"the listener redirects":    {secure + `, http: { address: ":80", redirect: https }`, `/*: http://127.0.0.1:9, /a: { redirect: https }`, "there are none"},
		"TLS ended in front":        {`http: { address: ":80", public_url: "https://a.test" }`, `redirect: https`, "there are none"},
		"both":                      {clear + "," + secure, `redirect: https`, "no other route takes"},
		"both, only part of it":     {clear + "," + secure, `/*: { redirect: https }, /api/*: http://127.0.0.1:9`, "no other route takes"},
		"both, with a route below":  {clear + "," + secure, `/*: http://127.0.0.1:9, /a/*: { redirect: https }`, ""},
		"both, with one beside it":  {clear + "," + secure, `/a/*: [ { redirect: https }, http://127.0.0.1:9 ]`, ""},
		"a proxy that may say so":   {`http: { address: ":80", trusted_proxies: [10.0.0.0/8] }`, `redirect: https`, ""},
		"TLS behind such a proxy":   {`https: { address: ":443", trusted_proxies: [10.0.0.0/8], tls: { certificates: [x.pem] } }`, `redirect: https`, "no other route takes"},
		"to another host":           {secure, `redirect: "https://b.test{uri}"`, ""},
	} {
		_, problems := Parse("weir.yaml", []byte("listeners: { "+c.listeners+" }\nsites: { a.test: { "+c.site+" } }\n"))
		said := ""
		for _, p := range problems {
			if strings.Contains(p.String(), "redirect") || strings.Contains(p.String(), "never match") {
				said += p.String() + "\n"
			}
		}
		if len(problems.Errors()) > 0 || (c.want == "") != (said == "") || !strings.Contains(said, c.want) || strings.Count(said, "\n") > 1 {
			t.Errorf("%s: %v, expected one with %q", name, problems, c.want)
		}
	}
}
