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

// Names are looked up where the files are: not on another machine, and not for a configuration that is refused.
func TestNamesAreLookedUpUnlessFilesAreSkipped(t *testing.T) {
	file := filepath.Join(t.TempDir(), "weir.yaml")
	for text, isGood := range map[string]bool{`{ sites: { a.test: { respond: 200 } } }`: true, `{ sites: { a.test: nowhere } }`: false} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, skip := range []bool{false, true} {
			p := Program{LookUp: func(cfg *config.Config) config.Problems { return config.Problems{cfg.WarningAt("sites", "looked up")} }}
			report, err := p.check(file, nil, skip)
			if err != nil || report.OK != isGood {
				t.Fatal(err, report)
			}
			n := 0
			for _, problem := range report.Problems {
				if problem.Message == "looked up" {
					n++
				}
			}
			if (n == 1) != (isGood && !skip) {
				t.Errorf("%s, skip %v: %+v", text, skip, report.Problems)
			}
		}
	}
}
