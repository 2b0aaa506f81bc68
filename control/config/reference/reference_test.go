package reference

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/weir-proxy/weir/control/config"
)

func comments(t *testing.T) Comments {
	t.Helper()
	c, err := ReadComments("..")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCommittedFilesAreUpToDate(t *testing.T) {
	schema, err := Schema(comments(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]byte{"weir.schema.json": schema, "config.md": Manual(comments(t))} {
		if got, err := os.ReadFile("../../../docs/reference/" + name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("docs/reference/%s is not what go generate writes (%v)", name, err)
		}
	}
}

func TestEveryKeyHasAComment(t *testing.T) {
	c := comments(t)
	for _, o := range config.Describe() {
		if c[o.Name] == "" {
			t.Errorf("type %s has no comment", o.Name)
		}
		for _, k := range o.Keys {
			if c[k.Owner+"."+k.Field] == "" {
				t.Errorf("%s.%s has no comment", k.Owner, k.Field)
			}
		}
	}
}

func TestSchemaResolves(t *testing.T) {
	data, err := Schema(comments(t))
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	defs := schema["$defs"].(map[string]any)
	refs := 0
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				refs++
				if defs[ref[len("#/$defs/"):]] == nil {
					t.Errorf("%s leads nowhere", ref)
				}
			}
			for _, below := range v {
				walk(below)
			}
		case []any:
			for _, below := range v {
				walk(below)
			}
		}
	}
	walk(schema)
	if refs < 30 {
		t.Errorf("only %d references", refs)
	}
}
