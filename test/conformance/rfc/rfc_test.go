package rfc

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/weir-proxy/weir/test/peers"
)

// How many sentences each RFC has.
var sentences = map[string]int{"rfc9113": 205, "rfc9114": 136, "rfc9204": 38}

func TestEveryRequirementHasATestThatExists(t *testing.T) {
	root, err := peers.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]map[string]bool{}
	for name, want := range sentences {
		text, err := os.ReadFile("testdata/" + name + ".tsv")
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")[1:]
		if len(lines) != want {
			t.Errorf("%s: %d sentences, want %d", name, len(lines), want)
		}
		for _, line := range lines {
			column := strings.Split(line, "\t")
			if len(column) != 3 || !regexp.MustCompile(`^[0-9.]+$`).MatchString(column[0]) || !regexp.MustCompile(`MUST|REQUIRED|SHALL`).MatchString(column[1]) {
				t.Errorf("%s: %q is not section, requirement and test", name, line)
				continue
			}
			if reason, is := strings.CutPrefix(column[2], "none: "); is && reason != "" {
				continue
			}
			if deviation, is := strings.CutPrefix(column[2], "open: "); is && deviation != "" {
				continue
			}
			for _, test := range strings.Fields(column[2]) {
				folder, function, _ := strings.Cut(test, ".")
				if known[folder] == nil {
					known[folder] = testsOf(t, filepath.Join(root, folder))
				}
				if !known[folder][function] {
					t.Errorf("%s %s: there is no %s in %s", name, column[0], function, folder)
				}
			}
		}
	}
}

var testFunction = regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)

// testsOf are the names of a folder's tests.
func testsOf(t *testing.T, folder string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Errorf("no tests in %s", folder)
	}
	names := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range testFunction.FindAllSubmatch(text, -1) {
			names[string(found[1])] = true
		}
	}
	return names
}
