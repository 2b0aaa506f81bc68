package filter

import (
	"regexp/syntax"
	"strings"
)

// PathMap undoes what a rewrite does with the beginning of paths. Immutable.
type PathMap struct {
	Server, Public string // beginnings that stand for each other
}

// Append appends the public path of a server's. One that is not below the server's beginning is none of this route's, and stays; so does one
// that is public already, as of an application that knows where it is published.
func (m *PathMap) Append(dst, path []byte) []byte {
	start := len(dst)
	switch {
	case strings.HasPrefix(m.Public, m.Server) && isUnder(path, m.Public):
		return append(dst, path...)
	case len(path) >= len(m.Server) && string(path[:len(m.Server)]) == m.Server:
		dst = append(dst, m.Public...)
		dst = append(dst, path[len(m.Server):]...)
	case isUnder(path, m.Server):
		dst = append(dst, strings.TrimSuffix(m.Public, "/")...)
	default:
		return append(dst, path...)
	}
	// What remains of "/app//evil.example" must not become a host.
	end := start
	for end < len(dst) && dst[end] == '/' {
		end++
	}
	return append(append(dst[:start], '/'), dst[end:]...)
}

// isUnder reports whether the path begins with prefix, or is it without the slash at its end.
func isUnder(path []byte, prefix string) bool {
	if len(path) >= len(prefix) {
		return string(path[:len(prefix)]) == prefix
	}
	return len(path)+1 == len(prefix) && string(path) == prefix[:len(path)] && prefix[len(path)] == '/'
}

// Reverse is the map from the paths that r makes to those that it was given; nil if that cannot be told from the rewrite alone. public is what
// stands before the group of that number in the route's own paths, "" if there is none.
func (r *Rewrite) Reverse(public string, group int) *PathMap {
	if r == nil || r.Path == nil {
		return nil
	}
	if r.Pattern != nil {
		public, group = LiteralBefore(r.Pattern.String()), 1
	}
	server, isSame := r.Path.before(group)
	if public == "" || !isSame || server == public {
		return nil
	}
	return &PathMap{Server: server, Public: public}
}

// before is the text before the group, if that ends the path and is all that varies in it.
func (t *Template) before(group int) (text string, ok bool) {
	n := len(t.parts) - 1
	if n < 0 || t.parts[n].variable != varGroup || t.parts[n].group != group {
		return "", false
	}
	for _, p := range t.parts[:n] {
		if p.variable != none {
			return "", false
		}
		text += p.literal
	}
	if !strings.HasPrefix(text, "/") {
		text = "/" + text
	}
	return text, true
}

// LiteralBefore is the text before the first group of an expression such as `^/old/(.*)$`, which takes all that follows; "" if it has another
// shape.
func LiteralBefore(expression string) string {
	parsed, err := syntax.Parse(expression, syntax.Perl)
	if err != nil || parsed.Op != syntax.OpConcat {
		return ""
	}
	parts := parsed.Sub
	if last := parts[len(parts)-1].Op; last == syntax.OpEndText || last == syntax.OpEndLine {
		parts = parts[:len(parts)-1]
	}
	if len(parts) != 3 || parts[0].Op != syntax.OpBeginText || parts[1].Op != syntax.OpLiteral || parts[1].Flags&syntax.FoldCase != 0 ||
		parts[2].Op != syntax.OpCapture || parts[2].Sub[0].Op != syntax.OpStar {
		return ""
	}
	switch parts[2].Sub[0].Sub[0].Op {
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return string(parts[1].Rune)
	}
	return ""
}
