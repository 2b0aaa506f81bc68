package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// notBuilt is a key, or one value of a key, whose shape is fixed and whose work is not built yet.
type notBuilt struct {
	key    string // owner type and key
	value  string // the one value meant; empty for any
	unsafe bool   // leaving it without effect would be dangerous or change the meaning: an error and no warning
	effect string // what happens instead
}

// notBuiltYet is everything that the file may say and weir cannot do yet. Building it removes the row and, where the
// value is Later, gives the key its type.
var notBuiltYet = []notBuilt{
	{"Config.cache", "", false, "nothing is cached"},
	{"Config.cluster", "", true, "this weir would stand alone"},
	{"Config.dns", "", true, "no name would be answered"},
	{"Config.scripts", "", true, "no script would run"},

	{"Action.rules", "", true, "no rule would run"},
	{"Match.when", "", true, "the route would match more than it should"},
	{"Settings.cache", "", false, "nothing is cached"},
	{"Settings.compress", "", false, "responses are sent as the server made them"},
	{"Settings.rate_limit", "", true, "nothing would be limited"},
	{"Settings.auth", "", true, "everybody would be let in"},
	{"Settings.waf", "", true, "attacks would pass"},
	{"Settings.script", "", true, "the script would not run"},
}

// notYet reports a key that was written and is not built.
func (r *reader) notYet(pos Pos, f *field, v reflect.Value, path string) {
	key := f.rowKey()
	isLater := f.typ == reflect.TypeFor[Later]()
	for i := range notBuiltYet {
		row := &notBuiltYet[i]
		if row.key == key && (row.value != "" && hasWord(v, row.value) || row.value == "" && (isLater || !v.IsZero())) {
			r.reportNotBuilt(row, pos, path)
		}
	}
}

func (r *reader) reportNotBuilt(row *notBuilt, pos Pos, path string) {
	what := ""
	if row.value != "" {
		what = fmt.Sprintf("%q ", row.value)
	}
	if row.unsafe {
		r.problem(pos, path, "%sis not built yet, and without it %s", what, row.effect)
	} else {
		r.warn(pos, path, "%sis not built yet and has no effect: %s", what, row.effect)
	}
}

// hasWord reports whether v is the word or a list that holds it.
func hasWord(v reflect.Value, word string) bool {
	switch x := v.Interface().(type) {
	case string:
		return x == word
	case []string:
		return slices.Contains(x, word)
	}
	return false
}

// rowKey is the field's key in the table.
func (f *field) rowKey() string {
	if f.key == "" {
		return f.owner.Name() + "." + strings.ToLower(f.goName)
	}
	return f.owner.Name() + "." + f.key
}
