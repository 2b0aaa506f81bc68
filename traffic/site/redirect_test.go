package site

import (
	"testing"

	"github.com/weir-proxy/weir/traffic/filter"
)

func TestRedirectTakesTheQueryAlongUnlessItSaysOtherwise(t *testing.T) {
	f := &filter.Facts{Host: []byte("a.example"), Path: []byte("/old"), Query: []byte("id=1"), HasQuery: true}
	for to, want := range map[string]string{
		"/new":                    "/new?id=1",
		"/new?fixed":              "/new?fixed",
		"/new#part":               "/new#part",
		"https://{host}{uri}":     "https://a.example/old?id=1",
		"/search?was={query}":     "/search?was=id=1",
		"https://b.example{path}": "https://b.example/old?id=1",
	} {
		template, err := filter.ParseLocation(to)
		if err != nil {
			t.Fatal(err)
		}
		r := Redirect{To: template, Status: 308}
		if got := string(r.AppendLocation(nil, f)); got != want {
			t.Errorf("to %q: got %q, want %q", to, got, want)
		}
	}
}
