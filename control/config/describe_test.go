package config

import (
	"regexp"
	"strings"
	"testing"
)

var variable = regexp.MustCompile(`\$\{([A-Z_]+)\}`)

func TestEveryExampleIsRight(t *testing.T) {
	for _, o := range Describe() {
		for _, k := range o.Keys {
			if k.Example == "" {
				if k.Kind != KindAny && k.Owner+"."+k.Name != "Listener.pool" {
					t.Errorf("%s.%s has no example", o.Name, k.Name)
				}
				continue
			}
			for _, m := range variable.FindAllStringSubmatch(k.Example, -1) {
				t.Setenv(m[1], "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0") // does for keys and tokens
			}
			if problems := ParseExample(k.Owner, k.Field, k.Example); len(problems) > 0 && !isNotBuilt(problems) {
				t.Errorf("%s.%s: %s: %v", o.Name, k.Name, k.Example, problems)
			}
		}
	}
}

func isNotBuilt(problems Problems) bool {
	for _, p := range problems {
		if !strings.Contains(p.Message, "not built yet") {
			return false
		}
	}
	return true
}

func TestWhatIsNotBuiltIsInTheTable(t *testing.T) {
	keys, rows := map[string]bool{}, map[string]bool{}
	for _, row := range notBuiltYet {
		rows[row.key] = true
	}
	for typ := range allTypes() {
		for _, f := range fieldsOf(typ) {
			keys[f.rowKey()] = true
			if k, _ := describeKey(&f); k.Kind == KindAny && !rows[f.rowKey()] {
				t.Errorf("%s has no effect and no row", f.rowKey())
			}
		}
	}
	for key := range rows {
		if !keys[key] {
			t.Errorf("the row %s names no key", key)
		}
	}
}
