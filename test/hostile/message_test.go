package hostile

import (
	"fmt"
	"strings"
)

// letter is a message of any version: a start line, fields, content and trailers.
type letter struct {
	target   string // of a request; "" is /
	fields   []string
	trailers []string // with content before them
	interims int      // responses of status 103 before it
}

// head is the letter's head in the form of HTTP/1.1.
func (m *letter) head(start string) string {
	var b strings.Builder
	b.WriteString(start + "\r\n")
	for _, f := range m.fields {
		b.WriteString(f + "\r\n")
	}
	return b.String() + "\r\n"
}

func lines(list []string) string {
	var b strings.Builder
	for _, f := range list {
		b.WriteString(f + "\r\n")
	}
	return b.String()
}

// linesMost is how many lines of its own a head has beside the one that is tried: below the limit of a request's fields.
const linesMost = 110

// fill are lines that make a head as large in number as it is in size: with sizeMost bytes, linesMost of them.
func fill(size int) (list []string) {
	for i := range linesMost * size / sizeMost {
		list = append(list, fmt.Sprintf("x-%d: y", i))
	}
	return list
}

// styles are ways to write a value of so many bytes.
var styles = map[string]func(size int) string{
	"items": func(size int) string {
		var b strings.Builder
		for i := 0; b.Len() < size; i++ {
			fmt.Fprintf(&b, "x-%d,", i)
		}
		return b.String()[:size-1] + "z"
	},
	"one item":    func(size int) string { return strings.Repeat("a", size) },
	"empty items": func(size int) string { return strings.Repeat(",", size) },
	"spaces":      func(size int) string { return "a," + strings.Repeat(" ", size-3) + "b" },
	"parameters":  func(size int) string { return "a" + strings.Repeat(";q=0.1", size/6) },
	"semicolons":  func(size int) string { return strings.Repeat("a=b; ", size/5) + "c=d" },
	"quotes":      func(size int) string { return `"` + strings.Repeat(`\"`, size/2) },
	"links":       func(size int) string { return strings.Repeat("</a>; rel=preload, ", size/19) + "x" },
	"addresses":   func(size int) string { return strings.Repeat("127.0.0.1, ", size/11) + "127.0.0.1" },
	"forwarded":   func(size int) string { return strings.Repeat("for=127.0.0.1;by=x, ", size/20) + "for=127.0.0.1" },
}

// field is a letter with one field of a value in a style, among lines that make it large.
func field(name, style string) func(size int) letter {
	return func(size int) letter {
		return letter{fields: append([]string{name + ": " + styles[style](size)}, fill(size)...)}
	}
}

// many is a letter whose field is there as often as linesMost allows, each with a part of the value.
func many(name, style string) func(size int) letter {
	return func(size int) letter {
		var m letter
		n := max(1, linesMost*size/sizeMost)
		for range n {
			m.fields = append(m.fields, name+": "+styles[style](max(8, size/n)))
		}
		return m
	}
}
