package message

import (
	"slices"
	"strings"
	"testing"
)

func TestEveryFieldIsFoundByItsName(t *testing.T) {
	for id := FieldHost; id < fieldCount; id++ {
		for _, name := range []string{id.String(), strings.ToLower(id.String()), strings.ToUpper(id.String())} {
			if got := FieldIDOf([]byte(name)); got != id || name == "" {
				t.Errorf("%q is found as %q", name, got)
			}
		}
		if other := id.String() + "x"; slices.Index(fieldNames[:], other) < 0 && FieldIDOf([]byte(other)) != FieldOther {
			t.Errorf("%q is found as %q", other, FieldIDOf([]byte(other)))
		}
	}
}

func BenchmarkFieldIDOf(b *testing.B) {
	names := [][]byte{[]byte("host"), []byte("User-Agent"), []byte("accept-encoding"), []byte("X-Request-Id"), []byte("Cookie"), []byte("Sec-Fetch-Mode"), []byte("cache-control"), []byte("Connection")}
	for i := 0; b.Loop(); i++ {
		FieldIDOf(names[i%len(names)])
	}
}
