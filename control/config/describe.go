package config

import (
	"reflect"
	"strings"
)

// Object describes one type of the configuration, for whoever writes its reference.
type Object struct {
	// Name is the Go type's name, which its comment starts with.
	Name string

	// Keys are those of the file, in declared order.
	Keys []Key

	// TakesWord is set when certain words, such as `off`, may stand in place of the object.
	TakesWord bool

	// TakesPaths is set when path patterns are keys too.
	TakesPaths bool

	// Rest is what names that are no keys have as their values, or nil.
	Rest *Key

	// Short is the key that a bare value stands for, or nil.
	Short *Key
}

// Key describes one key of an object.
type Key struct {
	// Name is the key in the file; empty for what can only be written in short form.
	Name string

	// Owner and Field are the Go struct that declares it and its field there, where its comment stands.
	Owner, Field string

	// Kind is what is written; Element is the object's or text type's name where there is one.
	Kind    Kind
	Element string

	// IsList is set when a list of it may be written, IsNamed when it is a map by name.
	IsList, IsNamed bool

	// Words are the only values allowed, where there is such a list.
	Words []string

	// Default is what holds when nothing is written anywhere.
	Default string

	// Example is a value.
	Example string

	// Required is set when the key must be written.
	Required bool // NotBuilt says what of it has no effect yet, and what happens instead.
	NotBuilt []NotBuilt

	// Least and Most bound a whole number.
	Least, Most int64
}

// NotBuilt is a key or one of its values that has no effect yet.
type NotBuilt struct {
	Value   string // empty for any
	Effect  string
	IsError bool
}

// Kind is what a key's value is.
type Kind string

// The kinds of values.
const (
	KindText   Kind = "text"
	KindBool   Kind = "on or off"
	KindInt    Kind = "number"
	KindFloat  Kind = "decimal number"
	KindObject Kind = "object"
	KindAny    Kind = "anything"
)

// Describe lists the configuration itself and all objects below it, each once, in the order in which they are met.
func Describe() (list []Object) {
	seen := map[reflect.Type]bool{}
	queue := []reflect.Type{reflect.TypeFor[Config]()}
	for len(queue) > 0 {
		t := queue[0]
		queue = queue[1:]
		if seen[t] {
			continue
		}
		seen[t] = true
		object, below := describe(t)
		list = append(list, object)
		queue = append(queue, below...)
	}
	return list
}

func describe(t reflect.Type) (o Object, below []reflect.Type) {
	o.Name = t.Name()
	o.TakesWord = reflect.PointerTo(t).Implements(reflect.TypeFor[fromWord]())
	for _, f := range fieldsOf(t) {
		if f.isName {
			continue
		}
		key, element := describeKey(&f)
		if key.Kind == KindObject {
			below = append(below, element)
		}
		switch {
		case f.isPaths:
			o.TakesPaths = true
			continue
		case f.isRest:
			o.Rest = &key
			continue
		case f.short:
			short := key
			o.Short = &short
		}
		o.Keys = append(o.Keys, key)
	}
	return o, below
}

func describeKey(f *field) (Key, reflect.Type) {
	k := Key{Name: f.key, Owner: f.owner.Name(), Field: f.goName, IsNamed: f.named, Words: f.words, Example: f.example, Required: f.required}
	k.Default = f.fallback + f.fill
	k.Least, k.Most = f.intRange()
	for _, row := range notBuiltYet {
		if row.key == f.rowKey() {
			k.NotBuilt = append(k.NotBuilt, NotBuilt{row.value, row.effect, row.unsafe})
		}
	}
	t := f.typ
	if t.Kind() == reflect.Slice {
		k.IsList, t = !f.named, t.Elem()
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	k.Kind, k.Element = kindOf(t)
	return k, t
}

func kindOf(t reflect.Type) (Kind, string) {
	switch {
	case t == reflect.TypeFor[Later]():
		return KindAny, ""
	case t.PkgPath() == "net/netip":
		return KindText, strings.ToLower(t.Name())
	case isTextual(t):
		return KindText, strings.ToLower(t.Name())
	case t.Kind() == reflect.Struct:
		return KindObject, t.Name()
	case t.Kind() == reflect.Bool:
		return KindBool, ""
	case t.Kind() == reflect.Int:
		return KindInt, ""
	case t.Kind() == reflect.Float64:
		return KindFloat, ""
	}
	return KindText, ""
}

// ParseExample reads an example value as the value of its key and reports what is wrong with it. It is for the test of
// the manual's examples.
func ParseExample(owner, fieldName, text string) Problems {
	for t := range allTypes() {
		if t.Name() != owner {
			continue
		}
		for _, f := range fieldsOf(t) {
			if f.goName == fieldName && f.owner == t {
				return parseValue(&f, text)
			}
		}
	}
	return Problems{{Message: "no such key"}}
}

func allTypes() map[reflect.Type]bool {
	types := map[reflect.Type]bool{}
	var add func(t reflect.Type)
	add = func(t reflect.Type) {
		for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || isTextual(t) || types[t] {
			return
		}
		types[t] = true
		for _, f := range fieldsOf(t) {
			types[f.owner] = true
			add(f.typ)
		}
	}
	add(reflect.TypeFor[Config]())
	return types
}

func parseValue(f *field, text string) Problems {
	r := newReader()
	file, err := parseYAML([]byte(text))
	if err != nil {
		return Problems{{Message: err.Error()}}
	}
	n := r.convert("example", documentOf(file), 0)
	if n != nil {
		r.decode(n, reflect.New(f.typ).Elem(), f, "")
	}
	return r.problems
}
