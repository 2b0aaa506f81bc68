package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-proxy/weir/control/config"
)

// With --skip-files, every file that a configuration names may be missing: those that are read with it, too.
func TestFilesThatAreMissingMayBeSkipped(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "weir.yaml")
	text := `
sites: { a.test: { redirects: moved.map, respond: 200 } }
admin: { tokens: { scraper: { file: token } } }
`
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, skip := range []bool{false, true} {
		report, err := Program{Verify: func(*config.Config) config.Problems { return nil }}.check(file, nil, skip)
		if err != nil || report.OK != skip || len(report.Problems) == 0 {
			t.Errorf("skip %v: %v, %+v", skip, err, report)
		}
		for _, p := range report.Problems {
			if p.Warning != skip || !strings.Contains(p.Message, "no such file") {
				t.Errorf("skip %v: %+v", skip, p)
			}
		}
	}
}
