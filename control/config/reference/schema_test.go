package reference

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// compile compiles the schema as an editor would.
func compile(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := Schema(comments(t))
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("weir.schema.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("weir.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// validate holds a YAML text against the schema.
func validate(t *testing.T, schema *jsonschema.Schema, text []byte) error {
	t.Helper()
	var value any
	if err := yaml.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(document)
}

func TestSchemaTakesWhatIsRight(t *testing.T) {
	schema := compile(t)
	paths, err := filepath.Glob("../testdata/good/*.yaml")
	if err != nil || len(paths) < 2 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, schema, text); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestSchemaRefusesWhatIsWrong(t *testing.T) {
	schema := compile(t)
	for _, text := range []string{
		"poools: {}",
		"pools: { a: { servers: [x], respnse: 1s } }",
		"listeners: { a: {} }",
		"logs: { level: inof }",
		"pools: { a: { servers: [{ address: x, weight: 70000 }] } }",
		"sites: { a: { /x: { pool: a, zzz: 1 } } }",
	} {
		if validate(t, schema, []byte(text)) == nil {
			t.Errorf("taken: %s", text)
		}
	}
}
