package config

import (
	"bytes"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// Format returns a file's text in canonical form: two spaces for each level, one space where spaces mean nothing, at most
// one blank line, remarks behind values in a column. Lines stay lines and comments stay. What the text means does not
// change: where that cannot be kept, a problem is returned and no text. It formats what is YAML, right or wrong.
func Format(name string, data []byte) ([]byte, Problems) {
	r := newReader()
	r.lines[name] = strings.Split(string(data), "\n")
	before := r.parse(name, data)
	if len(r.problems) > 0 {
		return nil, r.problems
	}
	text, ok := stableText(string(data))
	if !ok {
		r.problem(Pos{File: name}, "", "cannot be formatted: each time it would come out differently; nothing was changed")
		return nil, r.problems
	}
	after := r.parse(name, text)
	if len(r.problems) > 0 || !sameTree(before, after) || !slices.Equal(commentsOf(string(data)), commentsOf(string(text))) {
		r.problems = nil
		r.problem(Pos{File: name}, "", "cannot be formatted without changing what it says; nothing was changed")
		return nil, r.problems
	}
	return text, nil
}

// formatRounds is how often a text is formatted until it stays as it is. One is enough for nearly all; text that looks like a comment or a key inside of another needs two.
const formatRounds = 8

// stableText formats a text until another round would change nothing; false when there is no end to it.
func stableText(text string) ([]byte, bool) {
	once := formatText(text)
	for range formatRounds {
		again := formatText(string(once))
		if bytes.Equal(once, again) {
			return once, true
		}
		once = again
	}
	return nil, false
}

func sameTree(a, b *node) bool {
	if a == nil || b == nil {
		return a == b
	}
	if a.kind != b.kind || a.text != b.text || a.quoted != b.quoted || len(a.entries) != len(b.entries) {
		return false
	}
	for i := range a.entries {
		if a.entries[i].key != b.entries[i].key || !sameTree(a.entries[i].value, b.entries[i].value) {
			return false
		}
	}
	return slices.EqualFunc(a.items, b.items, sameTree)
}

func commentsOf(text string) (list []string) {
	for _, t := range lexer.Tokenize(text) {
		if t.Type == token.CommentType {
			list = append(list, strings.TrimSpace(t.Value))
		}
	}
	return list
}

// formatter writes a file anew, line by line.
type formatter struct {
	source  [][]rune               // the lines as they are
	starts  map[int][]*token.Token // the tokens that begin on each line, from 1
	levels  []level                // the block levels that are open
	depth   int                    // brackets that are open
	base    int                    // indent of the line on which they opened
	shift   int                    // by how much the last line moved
	lines   []formatted
	literal bool // the lines without tokens are those of a block text
}

// level is a block level: where it stood and where it stands now.
type level struct{ column, indent int }

// formatted is a line in its new form; its remark is put into a column with its neighbours' at the end.
type formatted struct{ text, remark string }

func formatText(text string) []byte {
	f := &formatter{starts: map[int][]*token.Token{}}
	for line := range strings.SplitSeq(text, "\n") {
		f.source = append(f.source, []rune(strings.TrimRight(line, " \t\r")))
	}
	tokens := joinPlainColons(lexer.Tokenize(text))
	for i, t := range tokens {
		if i > 0 && isBlockText(tokens[i-1]) && t.Type == token.StringType {
			continue // the block text itself, placed anywhere
		}
		f.starts[t.Position.Line] = append(f.starts[t.Position.Line], t)
	}
	for number := 1; number <= len(f.source); number++ {
		f.line(number)
	}
	return f.bytes()
}

func isBlockText(t *token.Token) bool {
	return t.Type == token.LiteralType || t.Type == token.FoldedType
}

func (f *formatter) line(number int) {
	tokens, raw := f.starts[number], f.source[number-1]
	switch {
	case len(tokens) == 0 && len(raw) == 0:
		f.blank()
	case len(tokens) == 0:
		f.lines = append(f.lines, formatted{text: moved(string(raw), f.shift)})
	case tokens[0].Type == token.CommentType:
		f.lines = append(f.lines, formatted{text: spaces(f.commentIndent(number)) + f.raw(tokens, 0)})
		f.literal = false
	case f.isContinued(number):
		f.lines = append(f.lines, formatted{text: string(raw)})
		for i := range tokens {
			f.enter(tokens, i, f.base, 0)
		}
	default:
		f.tokens(tokens)
	}
}

// isContinued reports whether a text that began on a line above ends on this one.
func (f *formatter) isContinued(number int) bool {
	before := f.source[number-1][:min(f.starts[number][0].Position.Column-1, len(f.source[number-1]))]
	return strings.TrimSpace(string(before)) != ""
}

// blank keeps one empty line of several, and all of a block text.
func (f *formatter) blank() {
	if n := len(f.lines); f.literal || n > 0 && f.lines[n-1] != (formatted{}) {
		f.lines = append(f.lines, formatted{})
	}
}

func (f *formatter) tokens(tokens []*token.Token) {
	indent := f.indent(tokens)
	f.shift = indent - (tokens[0].Position.Column - 1)
	var b strings.Builder
	b.WriteString(spaces(indent))
	line := formatted{}
	for i, t := range tokens {
		if t.Type == token.CommentType {
			line.remark = f.raw(tokens, i)
			break
		}
		if i > 0 && spaceBetween(tokens[i-1], t) {
			b.WriteByte(' ')
		}
		f.enter(tokens, i, indent, b.Len())
		b.WriteString(f.raw(tokens, i))
	}
	line.text = b.String()
	f.lines = append(f.lines, line)
	f.literal = slices.ContainsFunc(tokens, isBlockText)
}

// raw is a token's text as it stands in the source.
func (f *formatter) raw(tokens []*token.Token, i int) string {
	t := tokens[i]
	line := f.source[t.Position.Line-1]
	from, to := min(t.Position.Column-1, len(line)), len(line)
	if i+1 < len(tokens) {
		to = max(from, min(tokens[i+1].Position.Column-1, len(line)))
	}
	return strings.TrimSpace(string(line[from:to]))
}

// indent is where a line of tokens begins.
func (f *formatter) indent(tokens []*token.Token) int {
	if f.depth > 0 {
		return f.base + 2*max(0, f.depth-leadingEnds(tokens))
	}
	column := tokens[0].Position.Column
	for len(f.levels) > 0 && f.levels[len(f.levels)-1].column > column {
		f.levels = f.levels[:len(f.levels)-1]
	}
	if n := len(f.levels); n > 0 && f.levels[n-1].column == column {
		return f.levels[n-1].indent
	}
	indent := 0
	if n := len(f.levels); n > 0 {
		indent = f.levels[n-1].indent + 2
	}
	f.levels = append(f.levels, level{column, indent})
	return indent
}

func leadingEnds(tokens []*token.Token) (n int) {
	for _, t := range tokens {
		if t.Type != token.MappingEndType && t.Type != token.SequenceEndType {
			break
		}
		n++
	}
	return n
}

// enter notes what a token opens: brackets, or the level behind a dash.
func (f *formatter) enter(tokens []*token.Token, i, indent, at int) {
	switch tokens[i].Type {
	case token.MappingStartType, token.SequenceStartType:
		if f.depth == 0 {
			f.base = indent
		}
		f.depth++
	case token.MappingEndType, token.SequenceEndType:
		f.depth = max(0, f.depth-1)
	case token.SequenceEntryType:
		if i+1 < len(tokens) && f.depth == 0 {
			f.levels = append(f.levels, level{tokens[i+1].Position.Column, at + 2})
		}
	}
}

// commentIndent is that of the level at whose column the comment stands, or else of the next line.
func (f *formatter) commentIndent(number int) int {
	column := f.starts[number][0].Position.Column
	if f.depth > 0 {
		return f.base + 2*f.depth
	}
	next := f.nextColumn(number)
	for _, l := range f.levels {
		if l.column == column && column >= next {
			return l.indent
		}
	}
	levels := slices.Clone(f.levels)
	defer func() { f.levels = levels }()
	return f.indent([]*token.Token{{Position: &token.Position{Column: next}}})
}

// nextColumn is where the next line that is no comment begins.
func (f *formatter) nextColumn(number int) int {
	for n := number + 1; n <= len(f.source); n++ {
		if t := f.starts[n]; len(t) > 0 && t[0].Type != token.CommentType {
			return t[0].Position.Column
		}
	}
	return 1
}

// spaceBetween reports whether one space stands between two tokens of a line.
func spaceBetween(a, b *token.Token) bool {
	switch {
	case b.Type == token.CollectEntryType, b.Type == token.MappingValueType:
		return false
	case a.Type == token.MappingStartType:
		return b.Type != token.MappingEndType
	case b.Type == token.MappingEndType:
		return true
	case a.Type == token.SequenceStartType, b.Type == token.SequenceEndType:
		return false
	}
	return true
}

// bytes puts the remarks of neighbouring lines into one column and drops blank lines at both ends.
func (f *formatter) bytes() []byte {
	for len(f.lines) > 0 && f.lines[len(f.lines)-1] == (formatted{}) {
		f.lines = f.lines[:len(f.lines)-1]
	}
	var b bytes.Buffer
	for i, line := range f.lines {
		b.WriteString(line.text)
		if line.remark != "" {
			b.WriteString(spaces(f.remarkColumn(i)-len([]rune(line.text))) + line.remark)
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// remarkColumn is two behind the longest of the neighbouring lines that have remarks.
func (f *formatter) remarkColumn(i int) (column int) {
	from, to := i, i
	for from > 0 && f.lines[from-1].remark != "" {
		from--
	}
	for to+1 < len(f.lines) && f.lines[to+1].remark != "" {
		to++
	}
	for _, line := range f.lines[from : to+1] {
		column = max(column, len([]rune(line.text))+2)
	}
	return column
}

func spaces(n int) string { return strings.Repeat(" ", max(0, n)) }

// moved shifts a line by n columns, as far as white space allows.
func moved(line string, n int) string {
	if n >= 0 {
		return spaces(n) + line
	}
	indent := len(line) - len(strings.TrimLeft(line, " "))
	return line[min(-n, indent):]
}
