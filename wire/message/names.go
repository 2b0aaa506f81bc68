package message

// Names is a set of field names that a list-valued field gives: what a Connection field names, or a Trailer field announces. A message may have thousands of them, and
// each of its fields is looked up, so a lookup must not read the list again: 230 bytes of HPACK once cost 75 ms. The zero Names is empty.
type Names struct {
	few  [namesFew][]byte // the lists, while they are short; borrowed
	n    int
	many map[string]struct{} // all items in lower case, once the lists are not short; nil before
	size int                 // bytes of all lists
}

// Lists up to namesShort bytes together, in up to namesFew fields, are read again at each lookup: that costs less than a table, and allocates nothing.
const (
	namesFew   = 2
	namesShort = 64
)

// NamesIn returns the names that the fields with that id give. It borrows the fields' buffer.
func NamesIn(f *Fields, id FieldID) (n Names) {
	for i := range f.List {
		if f.List[i].ID == id {
			n.Add(f.ValueOf(i))
		}
	}
	return n
}

// Add adds the items of a comma-separated list, which it borrows.
func (n *Names) Add(list []byte) {
	n.size += len(list)
	if n.many == nil && n.n < namesFew && n.size <= namesShort {
		n.few[n.n] = list
		n.n++
		return
	}
	if n.many == nil {
		n.many = make(map[string]struct{})
		for _, earlier := range n.few[:n.n] {
			n.table(earlier)
		}
	}
	n.table(list)
}

func (n *Names) table(list []byte) {
	for len(list) > 0 {
		var item []byte
		if item, list = NextItem(list); len(item) > 0 {
			var room [nameRoom]byte
			n.many[string(appendLower(room[:0], item))] = struct{}{}
		}
	}
}

// nameRoom is enough for the lower case of most names without an allocation.
const nameRoom = 64

// Has reports whether name is in the set, compared without case.
func (n *Names) Has(name []byte) bool {
	if n.many != nil {
		var room [nameRoom]byte
		_, found := n.many[string(appendLower(room[:0], name))]
		return found
	}
	for _, list := range n.few[:n.n] {
		for len(list) > 0 {
			var item []byte
			if item, list = NextItem(list); len(item) == len(name) && EqualFold(item, string(name)) {
				return true
			}
		}
	}
	return false
}

func appendLower(dst, b []byte) []byte {
	for _, c := range b {
		dst = append(dst, lower[c])
	}
	return dst
}
