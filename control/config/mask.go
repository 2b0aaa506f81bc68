package config

import (
	"cmp"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// masked stands in messages where a secret stands in the file.
const masked = "********"

// credentialKey matches the name of a key, header or parameter whose value is probably a secret.
var credentialKey = regexp.MustCompile(`(?i)secret|token|passw|credential|authorization|cookie|api[-_]?key|haproxy_key|private`)

// credentialLine finds such a key with a value beside it, in a line that could not be understood as YAML, or whose key is mistyped.
var credentialLine = regexp.MustCompile(`(?i)((?:[\w-]*(?:secret|token|passw|credential|authorization|api[-_]?key|haproxy_key)[\w-]*|\bkey)["']?\s*:\s*)([^\s{\[#][^,}\]#]*)`)

// hiddenMin is the shortest text that is hidden: a shorter one occurs in other words by chance, and protects nothing.
const hiddenMin = 4

// hide keeps a secret out of messages. What the environment or a file holds does not stand in the configuration, and is hidden too: a message may quote a value.
func (r *reader) hide(value string) {
	for line := range strings.Lines(value) {
		if line = strings.TrimSpace(line); len(line) >= hiddenMin && !strings.HasPrefix(line, "${") {
			r.hidden = append(r.hidden, line)
		}
	}
}

// hideSecret hides what a Secret is read from: where the key is for a credential, or its name says so.
func (r *reader) hideSecret(s Secret, f *field, path string) {
	if isCredential(f, path) {
		r.hide(s.Value)
		r.hide(s.Written)
	}
}

// isCredential reports whether who knows the value of a Secret may do something: other texts may be read from files and the environment too.
func isCredential(f *field, path string) bool {
	return f == nil || !f.isShown || credentialKey.MatchString(lastKey(path))
}

// lastKey is the last key of a path that names something: that of `set.Authorization.value` is Authorization.
func lastKey(path string) string {
	path = strings.TrimSuffix(path, ".value")
	return path[strings.LastIndexByte(path, '.')+1:]
}

// mask hides secrets in problems. Any goroutine may use it.
type mask struct {
	mu       sync.Mutex
	hidden   []string          // secrets
	replacer *strings.Replacer // of all of them; nil: none has been needed yet
	lines    map[Pos]string    // lines of files without their secrets, by file and line: many problems may be about one long line
}

func newMask(hidden []string) *mask { return &mask{hidden: hidden, lines: map[Pos]string{}} }

// problems takes secrets out of all problems. It comes last, since a message may quote a line whose secret is understood later.
func (m *mask) problems(list Problems) {
	if len(list) == 0 {
		return
	}
	if m == nil { // of a configuration that was not read
		m = newMask(nil)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.replacer == nil {
		m.replacer = masker(m.hidden)
	}
	for i := range list {
		p := &list[i]
		p.Message = m.replacer.Replace(p.Message)
		for j := range p.excerpt {
			p.excerpt[j].text = m.line(p.Pos.File, p.excerpt[j])
		}
	}
}

// line is the text of a line of a file without its secrets.
func (m *mask) line(file string, line sourceLine) string {
	at := Pos{File: file, Line: line.number}
	text, isKnown := m.lines[at]
	if !isKnown {
		text = credentialLine.ReplaceAllStringFunc(m.replacer.Replace(line.text), maskValue)
		m.lines[at] = text
	}
	return text
}

// masker masks all secrets in one pass over a text. Of two that begin alike the longer one is masked whole.
func masker(hidden []string) *strings.Replacer {
	longestFirst := slices.SortedFunc(slices.Values(hidden), func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	longestFirst = slices.Compact(longestFirst)
	pairs := make([]string, 0, 2*len(longestFirst))
	for _, secret := range longestFirst {
		pairs = append(pairs, secret, masked)
	}
	return strings.NewReplacer(pairs...)
}

// maskValue masks the value of a key, unless it only says where the secret is: in the environment, or in a file.
func maskValue(found string) string {
	m := credentialLine.FindStringSubmatch(found)
	value := strings.Trim(m[2], `"' `)
	if strings.HasPrefix(value, "${") || value == masked || strings.HasPrefix(m[1], "key") && filepath.Ext(value) != "" {
		return found
	}
	return m[1] + masked
}
