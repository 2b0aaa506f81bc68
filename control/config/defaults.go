package config

import "reflect"

// shapes remembers what the struct tags say, so that a large configuration reads them once.
type shapes struct {
	fields   map[reflect.Type][]field
	defaults map[reflect.Type]reflect.Value // a struct with its tags `default` applied
	fills    map[reflect.Type]reflect.Value // a struct with its tags `fill` applied
}

func newShapes() *shapes {
	return &shapes{map[reflect.Type][]field{}, map[reflect.Type]reflect.Value{}, map[reflect.Type]reflect.Value{}}
}

// fieldsOf is the function fieldsOf, remembered.
func (s *shapes) fieldsOf(t reflect.Type) []field {
	list, found := s.fields[t]
	if !found {
		list = fieldsOf(t)
		s.fields[t] = list
	}
	return list
}

// applyDefaults sets a zero v to what the tags `default` say in its type and in the objects held by value.
func (s *shapes) applyDefaults(v reflect.Value) {
	if v.Kind() == reflect.Struct && !isTextual(v.Type()) {
		v.Set(s.tagged(v.Type(), s.defaults, func(f *field) string { return f.fallback }))
	}
}

// applyFills sets what the tags `fill` say, where nothing else was set.
func (s *shapes) applyFills(v reflect.Value) {
	inherit(v, s.tagged(v.Type(), s.fills, func(f *field) string { return f.fill }))
}

func (s *shapes) tagged(t reflect.Type, known map[reflect.Type]reflect.Value, text func(*field) string) reflect.Value {
	if v, found := known[t]; found {
		return v
	}
	v := reflect.New(t).Elem()
	for _, f := range s.fieldsOf(t) {
		target := v.FieldByIndex(f.index)
		if tag := text(&f); tag != "" {
			decodeTag(target, &f, tag)
		} else if f.typ.Kind() == reflect.Struct && !isTextual(f.typ) {
			target.Set(s.tagged(f.typ, known, text))
		}
	}
	known[t] = v
	return v
}

// decodeTag sets v to a tag's text, which is a mistake in the tag when it fails.
func decodeTag(v reflect.Value, f *field, text string) {
	r := newReader()
	unbound := *f
	unbound.isFile = false
	r.decode(&node{kind: scalar, text: text}, v, &unbound, "")
	if len(r.problems) > 0 {
		panic("BUG: config: " + f.owner.Name() + "." + f.goName + ": " + r.problems[0].Message)
	}
}

// isTextual reports whether the type is written as one text although it is a struct.
func isTextual(t reflect.Type) bool {
	return t == reflect.TypeFor[Secret]() || t == reflect.TypeFor[Later]() ||
		t.PkgPath() == "net/netip" || reflect.PointerTo(t).Implements(reflect.TypeFor[fromText]())
}

// newIn returns an object with its defaults.
func newIn[T any](s *shapes) (v T) {
	s.applyDefaults(reflect.ValueOf(&v).Elem())
	return v
}

// withDefaults returns a new object with its defaults.
func withDefaults[T any]() *T {
	v := newIn[T](newShapes())
	return &v
}
