package config

import (
	"reflect"
	"strings"
)

// field is a key of an object, as its struct tags describe it.
type field struct {
	key      string // empty for a field that is no key
	index    []int
	typ      reflect.Type
	named    bool
	isName   bool
	isPaths  bool
	isRest   bool // takes the keys that no other field has, as names
	short    bool
	required bool
	some     bool // a list of networks that is not empty, if it is written
	isFile   bool
	isShown  bool // a Secret's value is a text that messages may quote
	words    []string
	limits   string
	fallback string // the tag `default`
	fill     string
	example  string
	owner    reflect.Type // the struct that declares it
	goName   string
}

// fieldsOf lists the fields of a struct in declared order, those of inlined structs in their place.
func fieldsOf(t reflect.Type) (list []field) {
	for i := range t.NumField() {
		sf := t.Field(i)
		tag, tagged := sf.Tag.Lookup("yaml")
		if !tagged || tag == "-" {
			continue
		}
		key, options, _ := strings.Cut(tag, ",")
		if options == "inline" {
			for _, f := range fieldsOf(sf.Type) {
				f.index = append([]int{i}, f.index...)
				list = append(list, f)
			}
			continue
		}
		has := func(option string) bool { return strings.Contains(","+options+",", ","+option+",") }
		list = append(list, field{
			key: strings.TrimPrefix(key, "-"), index: sf.Index, typ: sf.Type, owner: t, goName: sf.Name,
			named: has("named"), isName: has("name"), isPaths: has("paths"), isRest: has("rest"), short: has("short"),
			required: has("required"), some: has("some"), isFile: has("file"), isShown: has("shown"),
			words: strings.Fields(sf.Tag.Get("words")), limits: sf.Tag.Get("range"),
			fallback: sf.Tag.Get("default"), fill: sf.Tag.Get("fill"), example: sf.Tag.Get("example"),
		})
	}
	return list
}

// keysOf lists the keys of an object.
func keysOf(fields []field) (keys []string) {
	for _, f := range fields {
		if f.key != "" {
			keys = append(keys, f.key)
		}
	}
	return keys
}

// findField returns the first field for which is holds, or nil.
func findField(fields []field, is func(*field) bool) *field {
	for i := range fields {
		if is(&fields[i]) {
			return &fields[i]
		}
	}
	return nil
}

// fromText is a value written as one text; fromWord an object for which certain words may stand.
type (
	fromText interface{ FromText(string) error }
	fromWord interface{ FromWord(string) error }
)
