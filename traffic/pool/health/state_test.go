package health

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/weir-proxy/weir/traffic/pool"
)

var update = flag.Bool("update", false, "write the golden files")

// The table as people read it: for the defaults, what each row of results leads to.
func TestTransitions(t *testing.T) {
	var out strings.Builder
	config := Config{}.withDefaults()
	for _, from := range []pool.Health{pool.Unknown, pool.Up, pool.Down} {
		for _, results := range []string{"+", "-", "++", "--", "+-", "-+", "+++", "---", "--+-", "--+--", "--+---", "+-+", "+-++"} {
			s := state{health: from}
			path := from.String()
			for _, r := range results {
				if s.take(config, r == '+') {
					path += " " + s.health.String()
				} else {
					path += " ."
				}
			}
			fmt.Fprintf(&out, "%-8s %-7s %s\n", from, results, path)
		}
	}
	const golden = "testdata/transitions.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || out.String() != string(want) {
		t.Errorf("transitions differ from %s (%v):\n%s", golden, err, &out)
	}
}
