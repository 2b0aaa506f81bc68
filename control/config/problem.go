package config

import "fmt"

// Pos is a place in a file; lines and columns count from 1. The zero Pos is nowhere.
type Pos struct {
	File string
	Line int
	Col  int
}

// String is `file:line:col`.
func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	Pos Pos

	// Path is the key, such as `pools.lync.timeouts.response`; empty when the file as a whole is meant.
	Path string

	// Message says what is wrong, in lower case and without the suggestion.
	Message string

	// Suggestion is the nearest known word, or empty.
	Suggestion string

	// Warning is set when the configuration can be used all the same.
	Warning bool

	excerpt []sourceLine
}

// sourceLine is a line of a file, for the excerpt under a problem.
type sourceLine struct {
	number int
	text   string
}

// Problems is everything that is wrong with a configuration, in the order of files and lines.
type Problems []Problem

// Errors returns the problems for which the configuration cannot be used.
func (ps Problems) Errors() Problems { return ps.only(false) }

// Warnings returns the problems in spite of which the configuration can be used.
func (ps Problems) Warnings() Problems { return ps.only(true) }

func (ps Problems) only(warning bool) (list Problems) {
	for _, p := range ps {
		if p.Warning == warning {
			list = append(list, p)
		}
	}
	return list
}

// problemf is an error whose text becomes a Problem's message.
func problemf(format string, args ...any) error { return fmt.Errorf(format, args...) }

// positions maps each written key's path to its place.
type positions map[string]Pos

// PosOf returns where the key stands in the files, or the nearest key above it that was written.
func (c *Config) PosOf(path string) Pos {
	for {
		if pos, found := c.positions[path]; found || path == "" {
			return pos
		}
		path = parentPath(path)
	}
}

// IsWritten reports whether the key stands in the file, by its path.
func (c *Config) IsWritten(path string) bool {
	_, found := c.positions[path]
	return found
}
