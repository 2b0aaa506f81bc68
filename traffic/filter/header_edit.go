package filter

import "github.com/weir-proxy/weir/wire/message"

// HeaderEdit changes the fields of a message: fields that are removed or set are dropped as the others are copied, then the
// new lines are appended. Immutable.
type HeaderEdit struct {
	drops []string
	lines []headerLine
}

type headerLine struct {
	name  string // with ": "
	value *Template
}

// NewHeaderEdit makes an empty edit, to be filled before use.
func NewHeaderEdit() *HeaderEdit { return &HeaderEdit{} }

// Remove takes the fields of that name out.
func (e *HeaderEdit) Remove(name string) { e.drops = append(e.drops, name) }

// Set replaces all fields of that name by one.
func (e *HeaderEdit) Set(name, value string) error {
	e.Remove(name)
	return e.Add(name, value)
}

// Add adds a field to those of its name.
func (e *HeaderEdit) Add(name, value string) error {
	t, err := ParseTemplate(value, false)
	if err != nil {
		return err
	}
	e.lines = append(e.lines, headerLine{name + ": ", t})
	return nil
}

// SetLiteral is Set for a value in which nothing is a variable.
func (e *HeaderEdit) SetLiteral(name, value string) {
	e.Remove(name)
	e.AddLiteral(name, value)
}

// AddLiteral is Add for a value in which nothing is a variable.
func (e *HeaderEdit) AddLiteral(name, value string) {
	e.lines = append(e.lines, headerLine{name + ": ", Literal(value)})
}

// Drops reports whether a field of that name is taken out.
func (e *HeaderEdit) Drops(name []byte) bool {
	for _, d := range e.drops {
		if message.EqualFold(name, d) {
			return true
		}
	}
	return false
}

// Append appends the lines that are set or added.
func (e *HeaderEdit) Append(dst []byte, f *Facts) []byte {
	for i := range e.lines {
		dst = append(dst, e.lines[i].name...)
		dst = e.lines[i].value.Append(dst, f)
		dst = append(dst, "\r\n"...)
	}
	return dst
}

// Dropped are the names of the fields that are removed or set, for people. The caller must not change them.
func (e *HeaderEdit) Dropped() []string { return e.drops }
