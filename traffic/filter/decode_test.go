package filter

import (
	"net/url"
	"testing"
)

func TestDecodingOfParameters(t *testing.T) {
	for in, want := range map[string]string{"": "", "a+b": "a b", "%61%2f": "a/", "100%": "100%", "%zz%4": "%zz%4", "%C3%bc": "ü"} {
		if got := string(AppendDecoded(nil, []byte(in))); got != want || !EqualDecoded([]byte(in), want) || EqualDecoded([]byte(in), want+"x") {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzDecodingAgreesWithTheStandardLibrary(f *testing.F) {
	f.Add("a%20b+c")
	f.Fuzz(func(t *testing.T, in string) {
		want, err := url.QueryUnescape(in)
		if err != nil {
			return
		}
		if got := string(AppendDecoded(nil, []byte(in))); got != want || !EqualDecoded([]byte(in), got) {
			t.Fatalf("%q: got %q, want %q", in, got, want)
		}
	})
}
