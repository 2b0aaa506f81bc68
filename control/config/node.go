package config

import "slices"

// node is one value of a file.
type node struct {
	kind    kind
	pos     Pos
	text    string // of a scalar
	quoted  bool   // a scalar that can only be a text
	entries []entry
	items   []*node

	places map[string]int // of entries by their key, the first of each; only where there are many, and up to placed
	placed int
}

// entriesFew is up to how many entries a key is searched for one by one.
const entriesFew = 16

type kind uint8

const (
	null kind = iota
	scalar
	mapping
	sequence
	broken // reported already
)

func (k kind) String() string {
	return [...]string{"nothing", "a value", "an object", "a list", "nothing"}[k]
}

// entry is one key of a mapping.
type entry struct {
	key   string
	pos   Pos
	value *node
}

func (n *node) file() string { return n.pos.File }

// value returns the value of a key, or nil.
func (n *node) value(key string) *node {
	if n == nil {
		return nil
	}
	if len(n.entries) > entriesFew {
		return n.valueOfMany(key)
	}
	i := slices.IndexFunc(n.entries, func(e entry) bool { return e.key == key })
	if i < 0 {
		return nil
	}
	return n.entries[i].value
}

// valueOfMany is value for many entries, of which others may have come since.
func (n *node) valueOfMany(key string) *node {
	if n.places == nil {
		n.places = make(map[string]int, len(n.entries))
	}
	for ; n.placed < len(n.entries); n.placed++ {
		if key := n.entries[n.placed].key; !contains(n.places, key) {
			n.places[key] = n.placed
		}
	}
	i, isThere := n.places[key]
	if !isThere {
		return nil
	}
	return n.entries[i].value
}

func contains[V any](m map[string]V, key string) bool {
	_, is := m[key]
	return is
}

// orList returns the items of a list, or the value itself as its only item.
func (n *node) orList() []*node {
	switch {
	case n == nil || n.kind == null:
		return nil
	case n.kind == sequence:
		return n.items
	}
	return []*node{n}
}
