package config

import (
	"slices"
	"strings"
)

// HashKey is what of a request is hashed.
type HashKey struct {
	Kind string // client_ip, path, uri, header or cookie
	Name string // of the header or cookie
}

// String is the form that the file takes.
func (k HashKey) String() string {
	if k.Name == "" {
		return k.Kind
	}
	return k.Kind + ":" + k.Name
}

// FromText takes `client_ip`, `path`, `uri`, `header:NAME` and `cookie:NAME`.
func (k *HashKey) FromText(text string) error {
	kind, name, named := strings.Cut(text, ":")
	switch {
	case named && (kind == "header" || kind == "cookie") && isToken(name):
	case !named && slices.Contains([]string{"client_ip", "path", "uri"}, kind):
	default:
		return problemf("%q cannot be hashed; write client_ip, path, uri, header:NAME or cookie:NAME", text)
	}
	*k = HashKey{kind, name}
	return nil
}

// isToken reports whether the text is a token of RFC 9110, section 5.6.2: a method or a field's name.
func isToken(text string) bool {
	for i := range len(text) {
		c := text[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return text != ""
}
