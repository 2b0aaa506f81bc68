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
}

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
	i := slices.IndexFunc(n.entries, func(e entry) bool { return e.key == key })
	if i < 0 {
		return nil
	}
	return n.entries[i].value
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
