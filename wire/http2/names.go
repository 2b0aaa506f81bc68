package http2

// Names finds the index that a static table has for a field's name. Every field of every head is looked for, so it is a table of its own and not a map:
// one comparison decides nearly always.
type Names struct {
	slots [256]namedIndex // a name is in the first free slot from its hash on
}

type namedIndex struct {
	name  string
	index byte
}

// NewNames makes the table; all names are in lower case, two letters long at least, and no index is 0.
func NewNames(indices map[string]byte) *Names {
	t := &Names{}
	for name, index := range indices {
		at := nameHash([]byte(name))
		for t.slots[at].index != 0 {
			at++
		}
		t.slots[at] = namedIndex{name, index}
	}
	return t
}

// Index returns the index of a name in lower case, 0 if the table has none.
func (t *Names) Index(name []byte) byte {
	if len(name) < 2 {
		return 0
	}
	for at := nameHash(name); t.slots[at].index != 0; at++ {
		if t.slots[at].name == string(name) {
			return t.slots[at].index
		}
	}
	return 0
}

func nameHash(name []byte) uint8 {
	n := len(name)
	return name[0]*89 ^ name[n-2]*57 ^ name[n/4]*23 ^ uint8(n)*31
}
