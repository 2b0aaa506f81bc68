package filter

import (
	"strings"

	"github.com/weir-proxy/weir/wire/message"
)

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
	t, err := ParseTemplate(value)
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

// Drops reports whether a field of that name is taken out. So is one under a name that servers cannot tell apart from it: X_Client would pass
// beside an X-Client that the operator sets.
func (e *HeaderEdit) Drops(name []byte) bool {
	if e == nil {
		return false
	}
	for _, d := range e.drops {
		if message.IsSameName(name, d) {
			return true
		}
	}
	return false
}

// Removes reports whether the operator has taken the field out or says it anew, so that weir must not add one of its own. A nil edit removes
// nothing.
func (e *HeaderEdit) Removes(name string) bool {
	if e == nil {
		return false
	}
	for _, d := range e.drops {
		if len(d) == len(name) && strings.EqualFold(d, name) {
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

// FieldNames are the names of the request fields whose values the edit takes.
func (e *HeaderEdit) FieldNames() (names []string) {
	if e == nil {
		return nil
	}
	for i := range e.lines {
		names = append(names, e.lines[i].value.FieldNames()...)
	}
	return names
}

// Dropped are the names of the fields that are removed or set, for people. The caller must not change them.
func (e *HeaderEdit) Dropped() []string { return e.drops }
