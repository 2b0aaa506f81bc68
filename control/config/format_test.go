package config

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

func TestFormatIsCanonical(t *testing.T) {
	for _, path := range append(glob(t, "testdata/format/*.yaml"), glob(t, "testdata/good/*.yaml")...) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text, problems := Format(path, data)
		if len(problems) > 0 {
			t.Fatalf("%s: %v", path, problems)
		}
		golden(t, strings.TrimSuffix(path, ".yaml")+".formatted", text)
	}
}

// Of every file in testdata, right or wrong, the formatted text says the same, and is formatted.
func TestFormatKeepsMeaningAndIsIdempotent(t *testing.T) {
	formatted := 0
	for _, path := range glob(t, "testdata/*/*.yaml") {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		once, problems := Format(path, data)
		if len(problems) > 0 {
			continue
		}
		formatted++
		twice, problems := Format(path, once)
		if len(problems) > 0 || !bytes.Equal(once, twice) {
			t.Errorf("%s: %v\n--- once\n%s--- twice\n%s", path, problems, once, twice)
		}
		_, before := Parse("x", data)
		_, after := Parse("x", once)
		if len(before) != len(after) {
			t.Errorf("%s: %d problems before, %d after", path, len(before), len(after))
		}
	}
	if formatted < 15 {
		t.Errorf("only %d files could be formatted", formatted)
	}
}

func TestFormatRefusesWhatIsNoYAML(t *testing.T) {
	if _, problems := Format("x", []byte("a: [")); len(problems) != 1 {
		t.Errorf("got %v", problems)
	}
}
