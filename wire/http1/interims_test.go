package http1

import "testing"

func TestInterimResponsesAreBoundedByBytesAndRate(t *testing.T) {
	var i Interims
	for n := range 100 {
		if !i.Take(100, 1000) {
			t.Fatalf("%d at once are too many", n)
		}
	}
	i = Interims{}
	for n := range int64(100_000) { // for more than a day
		if !i.Take(50, 1000+1000*n) {
			t.Fatalf("one in each second is too many, after %d", n)
		}
	}
	i = Interims{}
	n := int64(0)
	for i.Take(50, 1000) {
		n++
	}
	if most := int64(interimsMost / (50 + interimLeast)); n != most {
		t.Errorf("%d at once, want %d", n, most)
	}
	i = Interims{}
	for n = 0; i.Take(60<<10, 1000); n++ {
	}
	if n != 2 {
		t.Errorf("%d of the largest at once", n)
	}
}
