package config

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with a file, or writes it.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; go test -update writes it anew\n--- got\n%s--- want\n%s", path, got, want)
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files for %s: %v", pattern, err)
	}
	return paths
}

func TestEveryProblemIsReportedAtItsPlace(t *testing.T) {
	t.Setenv("WEIR_TEST_STRUCTURE", "a, b: { c: d }")
	for _, path := range append(glob(t, "testdata/check/*.yaml"), "testdata/check/include/weir.yaml") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			cfg, problems := Load(path)
			if len(problems) == 0 {
				t.Fatal("no problem found")
			}
			if (cfg == nil) != (len(problems.Errors()) > 0) {
				t.Errorf("config %v with %d errors", cfg != nil, len(problems.Errors()))
			}
			var b bytes.Buffer
			if err := problems.Write(&b, false); err != nil {
				t.Fatal(err)
			}
			golden(t, strings.TrimSuffix(path, ".yaml")+".golden", b.Bytes())
		})
	}
}

func TestPublishedExamplesHaveNoErrors(t *testing.T) {
	for _, path := range glob(t, "testdata/good/*.yaml") {
		cfg, problems := Load(path)
		if cfg == nil {
			t.Errorf("%s: %v", path, problems.Errors())
		}
	}
}

func TestColorIsOnlyAdded(t *testing.T) {
	_, problems := Load("testdata/check/unknown_key.yaml")
	var plainText, colored bytes.Buffer
	problems.Write(&plainText, false)
	problems.Write(&colored, true)
	bare := colored.String()
	for _, code := range []string{bold, red, yellow, dim, plain} {
		bare = strings.ReplaceAll(bare, code, "")
	}
	if bare != plainText.String() || bare == colored.String() {
		t.Errorf("got %q", colored.String())
	}
}
