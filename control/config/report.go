package config

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// problem reports an error.
func (r *reader) problem(pos Pos, path, format string, args ...any) {
	r.suggest(pos, path, "", format, args...)
}

// suggest reports an error with the word that was probably meant.
func (r *reader) suggest(pos Pos, path, word, format string, args ...any) {
	r.report(Problem{Pos: pos, Path: path, Suggestion: word, Message: fmt.Sprintf(format, args...)})
}

// warn reports what does not keep the configuration from being used.
func (r *reader) warn(pos Pos, path, format string, args ...any) {
	r.report(Problem{Pos: pos, Path: path, Warning: true, Message: fmt.Sprintf(format, args...)})
}

func (r *reader) report(p Problem) {
	lines := r.lines[p.Pos.File]
	for n := max(1, p.Pos.Line-1); n <= min(p.Pos.Line, len(lines)); n++ {
		p.excerpt = append(p.excerpt, sourceLine{n, strings.TrimSuffix(lines[n-1], "\r")})
	}
	r.problems = append(r.problems, p)
	if !p.Warning {
		r.errors++
		r.noteFailure(p.Path)
	}
}

// noteFailure notes the path of an error, and all above it. Above one that is noted, all are.
func (r *reader) noteFailure(path string) {
	isNoted := contains(r.failures, path)
	r.failures[path] = true
	for !isNoted && path != "" {
		path = parentPath(path)
		if isNoted = contains(r.failures, path); !isNoted {
			r.failures[path] = false
		}
	}
}

// ProblemAt is a problem found after loading, such as a file that cannot be read, at the place of a key.
func (c *Config) ProblemAt(path, format string, args ...any) Problem {
	return c.problemAt(path, false, format, args)
}

// WarningAt is ProblemAt for what does not keep the configuration from being used.
func (c *Config) WarningAt(path, format string, args ...any) Problem {
	return c.problemAt(path, true, format, args)
}

func (c *Config) problemAt(path string, warning bool, format string, args []any) Problem {
	r := reader{lines: c.lines, failures: map[string]bool{}}
	r.report(Problem{Pos: c.PosOf(path), Path: path, Warning: warning, Message: fmt.Sprintf(format, args...)})
	c.mask.problems(r.problems)
	return r.problems[0]
}

func (r *reader) sortProblems() {
	slices.SortStableFunc(r.problems, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.Pos.File, b.Pos.File), a.Pos.Line-b.Pos.Line, a.Pos.Col-b.Pos.Col)
	})
}

// String is the problem on one line.
func (p Problem) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v: ", p.Pos)
	if p.Path != "" {
		fmt.Fprintf(&b, "%s: ", p.Path)
	}
	if p.Warning {
		b.WriteString("warning: ")
	}
	b.WriteString(p.Message)
	if p.Suggestion != "" {
		fmt.Fprintf(&b, "; did you mean %q?", p.Suggestion)
	}
	return b.String()
}

// Colours of a terminal.
const (
	bold, red, yellow, dim, plain = "\x1b[1m", "\x1b[31m", "\x1b[33m", "\x1b[2m", "\x1b[0m"
)

// writtenMost is how many errors, and how many warnings, are printed for people.
const writtenMost = 100

// Write prints the first errors and warnings with the lines they are about, how many more there are, and how many in all. It prints nothing for none.
func (ps Problems) Write(w io.Writer, color bool) error {
	var b strings.Builder
	errors, warnings := 0, 0
	for _, p := range ps {
		n := &errors
		if p.Warning {
			n = &warnings
		}
		if *n++; *n <= writtenMost {
			p.write(&b, color)
		}
	}
	for _, rest := range []struct {
		n    int
		what string
	}{{errors - writtenMost, "more problem"}, {warnings - writtenMost, "more warning"}} {
		if rest.n > 0 {
			b.WriteString(counted(rest.n, rest.what) + " not shown; 'weir check --json' lists all\n")
		}
	}
	if len(ps) > 0 {
		b.WriteString(ps.summary() + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (p Problem) write(b *strings.Builder, color bool) {
	tint, from, to := red, "", ""
	if p.Warning {
		tint = yellow
	}
	text := p.String()
	if color {
		text = bold + tint + text + plain
		from, to = dim, plain
	}
	b.WriteString(text + "\n")
	for _, line := range p.excerpt {
		fmt.Fprintf(b, "%s%5d |%s %s\n", from, line.number, to, cutLine(line.text))
	}
	if n := len(p.excerpt); n > 0 && p.Pos.Col <= excerptMax {
		if color {
			from, to = dim+"      |"+plain+bold+tint, plain
		} else {
			from = "      |"
		}
		fmt.Fprintf(b, "%s %s^%s\n", from, indentLike(p.excerpt[n-1].text, p.Pos.Col-1), to)
	}
}

const excerptMax = 160 // columns of a line that are shown

func cutLine(line string) string {
	n := 0
	for i := range line {
		if n++; n > excerptMax {
			return strings.Map(printable, line[:i]) + "…"
		}
	}
	return strings.Map(printable, line)
}

// printable keeps control bytes of a file from reaching the terminal.
func printable(c rune) rune {
	if c < ' ' && c != '\t' || c == 0x7f {
		return '?'
	}
	return c
}

// indentLike is as wide as the first n columns of the line, with its tabs.
func indentLike(line string, n int) string {
	var b strings.Builder
	for _, c := range line {
		if n--; n < 0 {
			break
		}
		if c == '\t' {
			b.WriteByte('\t')
		} else {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

func (ps Problems) summary() string {
	errors, warnings := len(ps.Errors()), len(ps.Warnings())
	switch {
	case errors == 0:
		return counted(warnings, "warning")
	case warnings == 0:
		return counted(errors, "problem") + "; nothing was changed"
	}
	return counted(errors, "problem") + " and " + counted(warnings, "warning") + "; nothing was changed"
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
