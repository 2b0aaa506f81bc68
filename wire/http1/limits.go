package http1

import "github.com/weir-proxy/weir/wire/message"

// Limits bound what one head may cost. Zero fields mean the default.
type Limits struct {
	Head   int // bytes of the whole head; default 64 KiB
	Target int // bytes of the request target; default 16 KiB; more is answered with 414
	Fields int // field lines of a request; default message.MaxFields
}

// Default limits. Reference: reliability.md class 37.
const (
	DefaultHead   = 64 << 10
	DefaultTarget = 16 << 10
)

func (l *Limits) head() int {
	if l == nil || l.Head == 0 {
		return DefaultHead
	}
	return l.Head
}

func (l *Limits) target() int {
	if l == nil || l.Target == 0 {
		return DefaultTarget
	}
	return l.Target
}

func (l *Limits) fields() int {
	if l == nil || l.Fields == 0 {
		return message.MaxFields
	}
	return l.Fields
}

// fieldOverhead is what a field of a response counts besides its bytes, as RFC 9113 section 10.5.1 counts them: thousands of empty ones are not free.
const fieldOverhead = 32

// responseFields is how many fields a response may have.
func (l *Limits) responseFields() int { return l.head() / fieldOverhead }

// FieldsMost is the limit of field lines.
func (l *Limits) FieldsMost() int { return l.fields() }

// HeadMost is the limit of a head in bytes.
func (l *Limits) HeadMost() int { return l.head() }
