package config

import (
	"os"
	"testing"

	"go.yaml.in/yaml/v3"
)

// The tree is the one that another YAML library reads.
func TestTreeIsThatOfAnotherLibrary(t *testing.T) {
	texts := [][]byte{
		[]byte("{ a: [10.0.0.1:8080, [x:y]], b: {c: d:e, \"f\": g, h: http://x}, i: [a, b:c] }"),
		[]byte("a: |\n  b\n   c\n\nd: >-\n  e\n  f\ng: 'h''i'\nj: \"k\\tl\"\nm: n\n  o\np:\n- q\n- - r\n  - s\n"),
	}
	for _, path := range append(glob(t, "testdata/good/*.yaml"), glob(t, "testdata/format/*.yaml")...) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
	}
	for _, text := range texts {
		var want yaml.Node
		if err := yaml.Unmarshal(text, &want); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		r := newReader()
		compareTrees(t, r.parse("x", text), want.Content[0])
		if len(r.problems) > 0 {
			t.Errorf("%v\n%s", r.problems, text)
		}
	}
}

func compareTrees(t *testing.T, got *node, want *yaml.Node) {
	t.Helper()
	switch {
	case got.kind == mapping && want.Kind == yaml.MappingNode && 2*len(got.entries) == len(want.Content):
		for i, e := range got.entries {
			key := want.Content[2*i]
			if e.key != key.Value || e.pos.Line != key.Line || e.pos.Col != key.Column {
				t.Errorf("key %q at %v, want %q at %d:%d", e.key, e.pos, key.Value, key.Line, key.Column)
			}
			compareTrees(t, e.value, want.Content[2*i+1])
		}
	case got.kind == sequence && want.Kind == yaml.SequenceNode && len(got.items) == len(want.Content):
		for i := range got.items {
			compareTrees(t, got.items[i], want.Content[i])
		}
	case got.kind == scalar && want.Kind == yaml.ScalarNode && got.text == want.Value && got.pos.Line == want.Line && got.pos.Col == want.Column:
	default:
		t.Errorf("%v %q at %v, want %q at %d:%d", got.kind, got.text, got.pos, want.Value, want.Line, want.Column)
	}
}
