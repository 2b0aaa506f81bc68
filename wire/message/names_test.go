package message

import (
	"fmt"
	"strings"
	"testing"
)

// A set of names says the same whether it is short, and read again at each lookup, or long, and a table.
func TestNamesAreFoundWhateverTheirNumber(t *testing.T) {
	for _, count := range []int{0, 1, 2, 5, 100, 5000} {
		var items []string
		for i := range count {
			items = append(items, fmt.Sprintf(" X-Name-%d\t", i))
		}
		var n Names
		n.Add([]byte(strings.Join(items[:count/2], ",")))
		n.Add([]byte(strings.Join(items[count/2:], ",,")))
		n.Add([]byte(", Last-One"))
		for i := range count {
			if name := fmt.Sprintf("x-nAMe-%d", i); !n.Has([]byte(name)) {
				t.Fatalf("%d names: %s was not found", count, name)
			}
		}
		for _, name := range []string{"", "x-name", "x-name-", "x-name-5000", strings.Repeat("x", 300)} {
			if n.Has([]byte(name)) {
				t.Errorf("%d names: %q was found", count, name)
			}
		}
		if !n.Has([]byte("last-one")) {
			t.Errorf("%d names: the last list was not read", count)
		}
	}
}

// What a short list costs at each lookup must not need memory: most Connection fields name one field.
func TestShortListsOfNamesAllocateNothing(t *testing.T) {
	list, name := []byte("TE, X-Hop"), []byte("x-hop")
	if n := testing.AllocsPerRun(100, func() {
		var names Names
		names.Add(list)
		if !names.Has(name) {
			t.Fatal("not found")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
