package lifecycle

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-proxy/weir/control/config"
	"github.com/weir-proxy/weir/control/snapshot"
)

var update = flag.Bool("update", false, "write the golden files anew")

// A case is a file: the running configuration, the new one, and the plan that comes of them.
func TestPlans(t *testing.T) {
	files, err := filepath.Glob("testdata/plan/*.txt")
	if err != nil || len(files) < 5 {
		t.Fatalf("found %d cases: %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(string(text), "---\n")
		if len(parts) != 3 {
			t.Fatalf("%s: want the old configuration, the new one and the plan", file)
		}
		before := built(t, file, parts[0], nil)
		after := built(t, file, parts[1], before)
		var got strings.Builder
		newPlan(before, after).Write(&got)
		if *update {
			parts[2] = got.String()
			if err := os.WriteFile(file, []byte(strings.Join(parts, "---\n")), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if got.String() != parts[2] {
			t.Errorf("%s; go test -update writes it anew\n--- got\n%s--- want\n%s", file, got.String(), parts[2])
		}
	}
}

func built(t *testing.T, name, text string, previous *snapshot.Snapshot) *snapshot.Snapshot {
	t.Helper()
	cfg, problems := config.Parse(name, []byte(text))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	s, problems := snapshot.Build(cfg, previous, 1)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return s
}
