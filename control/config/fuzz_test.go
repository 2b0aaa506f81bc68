package config

import (
	"bytes"
	"io"
	"os"
	"testing"
)

func FuzzParse(f *testing.F) {
	addCorpus(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, problems := parseIsolated(data)
		if (cfg == nil) != (len(problems.Errors()) > 0) {
			t.Errorf("config %v with %d errors", cfg != nil, len(problems.Errors()))
		}
		problems.Write(io.Discard, true)
	})
}

func FuzzFormat(f *testing.F) {
	addCorpus(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		once, problems := Format("x", data)
		if len(problems) > 0 {
			return
		}
		twice, problems := Format("x", once)
		if len(problems) > 0 || !bytes.Equal(once, twice) {
			t.Errorf("not idempotent: %v\n%q\n%q", problems, once, twice)
		}
	})
}

func addCorpus(f *testing.F) {
	paths, err := os.ReadDir("testdata/check")
	if err != nil {
		f.Fatal(err)
	}
	for _, entry := range paths {
		if data, err := os.ReadFile("testdata/check/" + entry.Name()); err == nil {
			f.Add(data)
		}
	}
	for _, text := range []string{"", "#", "a: b: c", "? {a: b}\n: 2", "{a: {b: [c", "- - - -", "a: |2+\n   x\n\n", "{a:1, \"b\":2, :::1}", "\xff"} {
		f.Add([]byte(text))
	}
}

// parseIsolated is Parse in a directory where no include finds a file.
func parseIsolated(data []byte) (*Config, Problems) {
	r := newReader()
	r.env = func(name string) (string, bool) { return name, name != "UNSET" }
	r.add("/nowhere/weir.yaml", data)
	return r.finish()
}
