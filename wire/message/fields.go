package message

// Span is a range of bytes in a head's buffer: Buf[Off:End].
type Span struct{ Off, End uint32 }

// Len is the number of bytes in the span.
func (s Span) Len() int { return int(s.End - s.Off) }

// Of returns the bytes of the span within buf; it borrows buf.
func (s Span) Of(buf []byte) []byte { return buf[s.Off:s.End] }

// Field is one field line (RFC 9110 section 5): name, value without surrounding whitespace, and the whole line with its line
// end, so that an untouched line can be copied as it came.
type Field struct {
	Name, Value Span
	Line        Span
	ID          FieldID
}

// MaxFields bounds the field lines of a request's head or trailer section. HAProxy's bound is 101; without one, a hundred
// one-byte references cost a server 240 times the bytes they took (HTTP/2 Bomb, 2026).
const MaxFields = 128

// Fields is a header or trailer section in the order of arrival. Owned by the exchange that reads it.
type Fields struct {
	Buf  []byte // the bytes all spans point into
	List []Field
}

// Get returns the value of the first field with that id, nil if there is none; it borrows Buf.
func (f *Fields) Get(id FieldID) []byte {
	for i := range f.List {
		if f.List[i].ID == id {
			return f.List[i].Value.Of(f.Buf)
		}
	}
	return nil
}

// Has reports whether a field with that id is present.
func (f *Fields) Has(id FieldID) bool {
	for i := range f.List {
		if f.List[i].ID == id {
			return true
		}
	}
	return false
}

// Lookup returns the value of the first field of that name, compared without case; nil if there is none. For names that have
// no FieldID.
func (f *Fields) Lookup(name string) []byte {
	for i := range f.List {
		if EqualFold(f.List[i].Name.Of(f.Buf), name) {
			return f.List[i].Value.Of(f.Buf)
		}
	}
	return nil
}

// NameOf and ValueOf return the bytes of field i; they borrow Buf.
func (f *Fields) NameOf(i int) []byte  { return f.List[i].Name.Of(f.Buf) }
func (f *Fields) ValueOf(i int) []byte { return f.List[i].Value.Of(f.Buf) }

// EqualFold reports whether b equals s when ASCII letters are compared without case. Names and tokens are ASCII (RFC 9110
// section 5.6.2), so Unicode folding would only add aliases.
func EqualFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i, c := range b {
		if d := s[i]; c != d && lower[c] != lower[d] {
			return false
		}
	}
	return true
}

var lower = func() (t [256]byte) {
	for i := range t {
		t[i] = byte(i)
		if 'A' <= i && i <= 'Z' {
			t[i] = byte(i) + 'a' - 'A'
		}
	}
	return
}()

// Lower returns the ASCII lower case of c.
func Lower(c byte) byte { return lower[c] }

// HasToken reports whether the comma-separated list in value contains token, without case (RFC 9110 section 5.6.1).
func HasToken(value []byte, token string) bool {
	for len(value) > 0 {
		var item []byte
		item, value = NextItem(value)
		if EqualFold(item, token) {
			return true
		}
	}
	return false
}

// NextItem cuts the first item off a comma-separated list and trims its whitespace; it borrows list.
func NextItem(list []byte) (item, rest []byte) {
	i := 0
	for i < len(list) && list[i] != ',' {
		i++
	}
	item = TrimOWS(list[:i])
	if i < len(list) {
		i++
	}
	return item, list[i:]
}

// TrimOWS removes spaces and tabs at both ends (RFC 9110 section 5.6.3).
func TrimOWS(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}
