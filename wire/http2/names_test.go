package http2

import "testing"

func TestNamesAreFound(t *testing.T) {
	for name, index := range staticNames {
		if got := staticTable.Index([]byte(name)); got != index {
			t.Errorf("%s: %d, not %d", name, got, index)
		}
		for _, other := range []string{name + "x", "x" + name, name[1:], name[:len(name)-1]} {
			if got := staticTable.Index([]byte(other)); got != staticNames[other] {
				t.Errorf("%s: %d, not %d", other, got, staticNames[other])
			}
		}
	}
	for _, none := range []string{"", "a", "x-request-id", "te"} {
		if got := staticTable.Index([]byte(none)); got != 0 {
			t.Errorf("%q: %d", none, got)
		}
	}
}
