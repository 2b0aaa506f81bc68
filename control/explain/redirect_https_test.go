package explain

import (
	"strings"
	"testing"
)

// A route with `redirect: https` sends clients in clear text to https, and is not there for those that have come by it: they would be sent in a circle.
func TestARedirectToHTTPSDoesNotLoop(t *testing.T) {
	w := world(t, `
listeners:
  http:  { address: ":80" }
  https: { address: ":443", tls: { certificates: [x.pem] } }
sites:
  alone.test: { redirect: https }
  below.test: { /*: http://127.0.0.1:9, /secure/*: { redirect: "https://{host}{uri}" } }
  beside.test: { /a: [ { redirect: https }, { respond: 204 } ] }
`)
	for url, want := range map[string]string{
		"http://alone.test/x?y=z":        "308 https://alone.test/x?y=z",
		"https://alone.test/x?y=z":       "404 ",
		"http://below.test/secure/x":     "308 https://below.test/secure/x",
		"https://below.test/secure/x":    "pool",
		"https://below.test:443/other":   "pool",
		"http://beside.test/a":           "308 https://beside.test/a",
		"https://beside.test/a":          "204 ",
		"https://beside.test/elsewhere?": "404 ",
	} {
		a, err := w.Explain(&Request{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		got := "pool"
		if l := a.Local; l != nil {
			got = map[int]string{204: "204 ", 308: "308 ", 404: "404 "}[l.Status] + l.Location
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", url, got, want)
		}
		var text strings.Builder
		if a.Write(&text); strings.HasPrefix(url, "https://alone") && !strings.Contains(text.String(), "the client came by https already") {
			t.Errorf("%s: %s", url, text.String())
		}
	}
}
