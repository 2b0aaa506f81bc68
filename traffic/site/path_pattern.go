package site

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/wire/message"
)

// PathPattern is which paths a route takes: one path, all at and below a prefix, or those that an expression matches. Immutable.
type PathPattern struct {
	kind       pathKind
	text       string // exact: the path; prefix: without "/*", "" for the root; regexp: the expression
	expression *regexp.Regexp
	literal    string // regexp: what the path must begin with
	isLiteral  bool   // regexp: and that is all it asks
	moved      *Moved // exact: these paths, and text is what the pattern is called
}

type pathKind uint8

const (
	pathExact pathKind = iota
	pathRegexp
	pathPrefix
)

// ParsePathPattern takes `/login`, `/api/*` and `~^/expression`. Paths are brought into normal form, as those of requests are.
func ParsePathPattern(text string) (*PathPattern, error) {
	if expression, isRegexp := strings.CutPrefix(text, "~"); isRegexp {
		return parseRegexp(expression)
	}
	body, isPrefix := strings.CutSuffix(text, "/*")
	if !strings.HasPrefix(text, "/") || strings.Contains(body, "*") {
		return nil, fmt.Errorf("%q is no path pattern; write it like /login, /api/* or ~^/api/", text)
	}
	normal, err := message.NormalOfWritten(body)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", text, err)
	}
	if isPrefix {
		return &PathPattern{kind: pathPrefix, text: strings.TrimSuffix(normal, "/")}, nil
	}
	return &PathPattern{kind: pathExact, text: normal}, nil
}

// Folded is the pattern for paths in lower case: it knows no case.
func (p *PathPattern) Folded() *PathPattern {
	if p.kind == pathRegexp {
		folded, err := parseRegexp("(?i)" + p.text)
		if err != nil {
			panic("BUG: " + err.Error())
		}
		folded.text = p.text
		return folded
	}
	folded := *p
	folded.text = string(appendLower(nil, []byte(p.text)))
	return &folded
}

func parseRegexp(expression string) (*PathPattern, error) {
	compiled, err := regexp.Compile(expression)
	if err != nil {
		return nil, err
	}
	p := &PathPattern{kind: pathRegexp, text: expression, expression: compiled}
	p.literal, p.isLiteral = literalStart(expression)
	return p, nil
}

// literalStart is what every match begins with, and whether that is all: comparing it first spares most requests the
// expression, which costs more than the rest of a lookup.
func literalStart(expression string) (literal string, isAll bool) {
	parsed, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return "", false
	}
	parts := []*syntax.Regexp{parsed}
	if parsed.Op == syntax.OpConcat {
		parts = parsed.Sub
	}
	if parts[0].Op != syntax.OpBeginText {
		return "", false
	}
	if len(parts) == 1 {
		return "", true
	}
	if parts[1].Op != syntax.OpLiteral || parts[1].Flags&syntax.FoldCase != 0 {
		return "", false
	}
	return string(parts[1].Rune), len(parts) == 2
}

// String is the form in which the pattern is written.
func (p *PathPattern) String() string {
	switch p.kind {
	case pathRegexp:
		return "~" + p.text
	case pathPrefix:
		return p.text + "/*"
	}
	return p.text
}

// Matches reports whether the pattern takes the path. The root prefix takes "*" (OPTIONS) too.
func (p *PathPattern) Matches(path []byte) bool {
	n := len(p.text)
	switch p.kind {
	case pathExact:
		if p.moved != nil {
			return p.moved.has(path)
		}
		return string(path) == p.text
	case pathPrefix:
		return n == 0 || len(path) >= n && string(path[:n]) == p.text && (len(path) == n || path[n] == '/')
	}
	if len(path) < len(p.literal) || string(path[:len(p.literal)]) != p.literal {
		return false
	}
	return p.isLiteral || p.expression.Match(path)
}

// AppendGroups appends what the pattern took of a path that it matches: first what "*" stands for (of a prefix the rest without its slash, of
// an expression the whole match), then an expression's groups. It borrows path. Only routes whose templates need it pay for it.
func (p *PathPattern) AppendGroups(dst [][]byte, path []byte) [][]byte {
	switch p.kind {
	case pathRegexp:
		return append(dst, p.expression.FindSubmatch(path)...)
	case pathPrefix:
		rest := path[min(len(p.text), len(path)):]
		if len(rest) > 0 && rest[0] == '/' {
			rest = rest[1:]
		}
		return append(dst, rest)
	}
	return dst
}

// PrefixLen is the length of what a prefix pattern has before its "*", without the slash; 0 for other patterns.
func (p *PathPattern) PrefixLen() int {
	if p.kind != pathPrefix {
		return 0
	}
	return len(p.text)
}

// Before is what a path begins with before the group of that number, which takes all that follows; "" if the pattern has another shape.
func (p *PathPattern) Before() (text string, group int) {
	switch p.kind {
	case pathPrefix:
		return p.text + "/", 0
	case pathRegexp:
		return filter.LiteralBefore(p.text), 1
	}
	return "", 0
}
