package config

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/weir-proxy/weir/control/textfile"
)

// text returns a scalar with its environment variables read. What they hold is text and never becomes structure.
func (r *reader) text(n *node, path string) (string, bool) {
	if n.kind == null {
		r.problem(n.pos, path, "has no value")
		return "", false
	}
	if n.kind != scalar {
		r.problem(n.pos, path, "want a value, not %v", n.kind)
		return "", false
	}
	return r.expand(n, path)
}

// expand replaces `${NAME}` and `${NAME:-default}`; `$${` stands for `${`. Other dollars, as in `$1`, are left alone.
func (r *reader) expand(n *node, path string) (text string, ok bool) {
	text, _, ok = r.expandNoting(n, path)
	return text, ok
}

// expandNoting is expand, and reports the first variable whose default was taken; "" for none.
func (r *reader) expandNoting(n *node, path string) (text, defaulted string, ok bool) {
	if !strings.Contains(n.text, "${") {
		return n.text, "", true
	}
	var b strings.Builder
	ok = true
	for rest := n.text; rest != ""; {
		before, after, found := strings.Cut(rest, "${")
		b.WriteString(strings.TrimSuffix(before, "$"))
		if !found {
			if strings.HasSuffix(before, "$") {
				b.WriteByte('$')
			}
			break
		}
		if strings.HasSuffix(before, "$") {
			b.WriteString("${")
			rest = after
			continue
		}
		reference, tail, closed := strings.Cut(after, "}")
		name, fallback, hasFallback := strings.Cut(reference, ":-")
		switch value, set := r.env(name); {
		case !closed || !isVariableName(name):
			b.WriteString("${")
			tail = after
		case set && (value != "" || !hasFallback):
			b.WriteString(value)
		case hasFallback:
			b.WriteString(fallback)
			if defaulted == "" && fallback != "" {
				defaulted = name
			}
		default:
			r.problem(n.pos, path, "environment variable %s is not set; ${%s:-default} gives it a default", name, name)
			ok = false
		}
		rest = tail
	}
	return b.String(), defaulted, ok
}

func isVariableName(name string) bool {
	for i := range len(name) {
		c := name[i]
		if !(c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || i > 0 && '0' <= c && c <= '9') {
			return false
		}
	}
	return name != ""
}

// standIn stands for a secret that is not on this machine: text that passes for a token, or for a key of 32 bytes in base64, and another for each file.
func standIn(file string) string {
	sum := sha256.Sum256([]byte(file))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// isFileReference reports whether the value is `{file: path}`.
func (n *node) isFileReference() bool {
	return n.kind == mapping && len(n.entries) == 1 && n.entries[0].key == "file"
}

// secret reads a text that may be given as `{file: path}`; the line end that editors leave is taken off.
// A credential takes no default: who forgets the variable would get the one that stands in the file, and in whatever it was copied from.
func (r *reader) secret(n *node, path string, isCredential bool) (Secret, bool) {
	if !n.isFileReference() {
		value, ok := r.text(n, path)
		if ok && isCredential {
			if _, name, _ := r.expandNoting(n, path); name != "" {
				r.problem(n.pos, path, "environment variable %s is not set, and a secret takes no default; set it, and write ${%s} or { file: path }", name, name)
				ok = false
			}
		}
		return Secret{Value: value, Written: n.text}, ok
	}
	file := n.entries[0].value
	name, ok := r.text(file, joinPath(path, "file"))
	if !ok {
		return Secret{}, false
	}
	name = relativeTo(n.file(), name)
	info, err := textfile.Stat(name)
	if err == nil && (!info.Mode().IsRegular() || info.Size() > 64<<10) {
		err = problemf("%s is not a regular file of at most 64KiB", name)
	}
	var data []byte
	if err == nil {
		data, err = textfile.Read(name)
	}
	written := "{file: " + name + "}"
	if r.isSkipped(err) {
		r.warn(file.pos, path, "%v", err)
		return Secret{standIn(name), written}, true
	}
	if err != nil {
		r.problem(file.pos, path, "%v", err)
		return Secret{}, false
	}
	r.texts[name] = true
	return Secret{strings.TrimRight(string(data), "\r\n"), written}, true
}
