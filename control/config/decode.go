package config

import (
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// decodeRoot fills the Config from the tree.
func (r *reader) decodeRoot(cfg *Config) {
	r.decodeMapping(r.root, reflect.ValueOf(cfg).Elem(), "")
}

// decode fills v from n. f says how the key that holds n is written; path is for messages.
func (r *reader) decode(n *node, v reflect.Value, f *field, path string) {
	if n.kind == broken {
		return
	}
	if v.Kind() == reflect.Pointer {
		if n.kind == null {
			r.problem(n.pos, path, "has no value")
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		r.shapes.applyDefaults(v.Elem())
		v = v.Elem()
	}
	switch target := v.Addr().Interface().(type) {
	case *Later:
	case *Secret:
		if s, ok := r.secret(n, path, isCredential(f, path)); ok {
			*target = s
			r.hideSecret(s, f, path)
		}
	case fromText:
		r.decodeText(n, path, target.FromText)
	case *netip.Prefix:
		r.decodeText(n, path, func(text string) (err error) { *target, err = parsePrefix(text); return err })
	case *netip.Addr:
		r.decodeText(n, path, func(text string) (err error) { *target, err = parseIP(text); return err })
	case *netip.AddrPort:
		r.decodeText(n, path, func(text string) (err error) {
			if *target, err = netip.ParseAddrPort(text); err != nil {
				err = problemf("%q is no address with a port; write it like 192.0.2.7:80", text)
			}
			return err
		})
	default:
		r.decodeKind(n, v, f, path)
	}
}

func (r *reader) decodeKind(n *node, v reflect.Value, f *field, path string) {
	switch v.Kind() {
	case reflect.Struct:
		r.decodeStruct(n, v, path)
	case reflect.Slice:
		if f.named {
			r.decodeNamed(n, v, path)
		} else {
			r.decodeList(n, v, f, path)
		}
	case reflect.String:
		r.decodeString(n, v, f, path)
	case reflect.Bool:
		r.decodeText(n, path, func(text string) error {
			isOff, err := isOff(text)
			v.SetBool(!isOff)
			if err != nil {
				err = problemf("want on or off, not %q", text)
			}
			return err
		})
	case reflect.Int:
		r.decodeInt(n, v, f, path)
	case reflect.Float64:
		r.decodeText(n, path, func(text string) error {
			x, err := strconv.ParseFloat(text, 64)
			if err != nil || !(x >= 0 && x <= 1e9) {
				return problemf("want a number, not %q", text)
			}
			v.SetFloat(x)
			return nil
		})
	default:
		panic("BUG: config has no decoder for " + v.Type().String())
	}
}

// decodeText hands a scalar's text to set and reports its error.
func (r *reader) decodeText(n *node, path string, set func(string) error) {
	text, ok := r.text(n, path)
	if !ok {
		return
	}
	if err := set(text); err != nil {
		r.problem(n.pos, path, "%v", err)
	}
}

func (r *reader) decodeString(n *node, v reflect.Value, f *field, path string) {
	text, ok := r.text(n, path)
	if !ok {
		return
	}
	if len(f.words) > 0 && !slices.Contains(f.words, text) {
		r.suggest(n.pos, path, nearest(text, f.words), "want %s, not %q", orList(f.words), text)
		return
	}
	if f.isFile && text != "stdout" && text != "stderr" {
		text = relativeTo(n.file(), text)
	}
	v.SetString(text)
}

func (r *reader) decodeInt(n *node, v reflect.Value, f *field, path string) {
	r.decodeText(n, path, func(text string) error {
		i, err := strconv.ParseInt(text, 10, 64)
		least, most := f.intRange()
		switch {
		case len(f.words) > 0 && !slices.Contains(f.words, text):
			return problemf("want %s, not %q", orList(f.words), text)
		case err != nil:
			return problemf("want a whole number, not %q", text)
		case i < least || i > most:
			return problemf("want a number from %d to %d, not %d", least, most, i)
		}
		v.SetInt(i)
		return nil
	})
}

func (f *field) intRange() (least, most int64) {
	if f.limits == "" {
		return 0, 1<<31 - 1
	}
	from, to, _ := strings.Cut(f.limits, " ")
	least, _ = strconv.ParseInt(from, 10, 64)
	most, _ = strconv.ParseInt(to, 10, 64)
	return least, most
}

// decodeList takes a list, or a bare value as a list of one.
func (r *reader) decodeList(n *node, v reflect.Value, f *field, path string) {
	items := n.orList()
	list := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		at := path
		if n.kind == sequence {
			at = indexPath(path, i)
		}
		r.place[at] = item.pos
		r.shapes.applyDefaults(list.Index(i))
		r.decode(item, list.Index(i), f, at)
	}
	v.Set(list)
}

// decodeNamed takes a map by name, in the order written.
func (r *reader) decodeNamed(n *node, v reflect.Value, path string) {
	if n.kind == null || n.kind == broken {
		return
	}
	if n.kind != mapping {
		r.problem(n.pos, path, "want names, each with its value, not %v", n.kind)
		return
	}
	element := v.Type().Elem()
	r.eachKey(n, path, func(e entry, at string) { r.decodeName(e, v, element, at) })
}

// decodeName appends to v what stands under a name.
func (r *reader) decodeName(e entry, v reflect.Value, element reflect.Type, at string) {
	name := findField(r.shapes.fieldsOf(element), func(f *field) bool { return f.isName })
	item := reflect.New(element).Elem()
	r.shapes.applyDefaults(item)
	item.FieldByIndex(name.index).SetString(e.key)
	r.decode(e.value, item, &field{}, at)
	v.Set(reflect.Append(v, item))
}

// eachKey calls do for each key of a mapping with its path, and reports keys that stand there twice.
func (r *reader) eachKey(n *node, path string, do func(e entry, at string)) {
	first := make(map[string]Pos, len(n.entries))
	for _, e := range n.entries {
		at := joinPath(path, e.key)
		if pos, twice := first[e.key]; twice {
			r.problem(e.pos, at, "stands at %v already", pos)
			continue
		}
		first[e.key] = e.pos
		r.keys[at] = e.pos
		r.place[at] = e.pos
		if e.value.kind == scalar {
			r.place[at] = e.value.pos
		}
		do(e, at)
	}
}

// decodeStruct takes an object, or what may stand in its place.
func (r *reader) decodeStruct(n *node, v reflect.Value, path string) {
	short := findField(r.shapes.fieldsOf(v.Type()), func(f *field) bool { return f.short })
	switch {
	case short != nil && short.typ == reflect.TypeFor[Secret]() && n.isFileReference():
		r.decode(n, v.FieldByIndex(short.index), short, path)
	case n.kind == mapping:
		r.decodeMapping(n, v, path)
	case n.kind == null:
		r.problem(n.pos, path, "has no value")
	default:
		r.decodeShort(n, v, path)
	}
}

func (r *reader) decodeShort(n *node, v reflect.Value, path string) {
	fields := r.shapes.fieldsOf(v.Type())
	var wordErr error
	if words, ok := v.Addr().Interface().(fromWord); ok && n.kind == scalar {
		text, ok := r.expand(n, path)
		if !ok {
			return
		}
		if wordErr = words.FromWord(text); wordErr == nil {
			return
		}
	}
	short := findField(fields, func(f *field) bool { return f.short })
	switch {
	case short != nil && short.required && n.kind == sequence && len(n.items) == 0:
		r.problem(n.pos, path, "the list is empty, and needs at least one item")
	case short != nil && (n.kind == scalar || short.typ.Kind() == reflect.Slice):
		r.decode(n, v.FieldByIndex(short.index), short, path)
		r.notYet(n.pos, short, v.FieldByIndex(short.index), path)
	case wordErr != nil:
		r.problem(n.pos, path, "%v", wordErr)
	default:
		r.problem(n.pos, path, "want an object with keys such as %s, not %v", strings.Join(firstN(keysOf(fields), 3), ", "), n.kind)
	}
}

func firstN(list []string, n int) []string { return list[:min(n, len(list))] }

func (r *reader) decodeMapping(n *node, v reflect.Value, path string) {
	fields := r.shapes.fieldsOf(v.Type())
	paths := findField(fields, func(f *field) bool { return f.isPaths })
	rest := findField(fields, func(f *field) bool { return f.isRest })
	r.eachKey(n, path, func(e entry, at string) {
		f := findField(fields, func(f *field) bool { return f.key == e.key && e.key != "" })
		switch {
		case f != nil:
			before := r.errors
			r.decode(e.value, v.FieldByIndex(f.index), f, at)
			if r.errors == before {
				r.notYet(e.pos, f, v.FieldByIndex(f.index), at)
			}
		case paths != nil && isPathPattern(e.key):
			r.decodePath(e, v.FieldByIndex(paths.index), at)
		case rest != nil:
			r.decodeName(e, v.FieldByIndex(rest.index), rest.typ.Elem(), at)
		default:
			r.suggest(e.pos, at, nearest(e.key, keysOf(fields)), "unknown key")
		}
	})
	for _, f := range fields {
		value := n.value(f.key)
		switch {
		case f.some && value != nil && value.kind == sequence && len(value.items) == 0:
			r.problem(value.pos, joinPath(path, f.key), "the list is empty: name the networks that are served, or omit %s", f.key)
		case !f.required:
		case value == nil:
			r.problem(n.pos, path, "needs %q", f.key)
		case value.kind == sequence && len(value.items) == 0:
			r.problem(value.pos, joinPath(path, f.key), "the list is empty, and needs at least one item")
		}
	}
}

func isPathPattern(key string) bool {
	return strings.HasPrefix(key, "/") || strings.HasPrefix(key, "~")
}

// decodePath takes a route, or a list of routes for the same path.
func (r *reader) decodePath(e entry, routes reflect.Value, at string) {
	for i, item := range e.value.orList() {
		path := at
		if e.value.kind == sequence {
			path = indexPath(at, i)
			r.place[path] = item.pos
		}
		route := newIn[Route](r.shapes)
		route.Path, route.Key = e.key, path
		r.decode(item, reflect.ValueOf(&route).Elem(), &field{}, path)
		routes.Set(reflect.Append(routes, reflect.ValueOf(route)))
	}
	if e.value.kind == null {
		r.problem(e.pos, at, "has no value")
	}
}

func parsePrefix(text string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(text); err == nil && ip.Zone() == "" {
		return netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, problemf("%q is no network; write it like 10.0.0.0/8, 2001:db8::/32 or 192.0.2.7", text)
	}
	if p != p.Masked() {
		return p, problemf("%q has bits set behind its length; did you mean %v?", text, p.Masked())
	}
	return p, nil
}

func parseIP(text string) (netip.Addr, error) {
	ip, err := netip.ParseAddr(text)
	if err != nil {
		return ip, problemf("%q is no IP address", text)
	}
	return ip, nil
}

func orList(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
