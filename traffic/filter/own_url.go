package filter

import (
	"bytes"

	"github.com/weir-proxy/weir/wire/message"
)

// ServerView is how a server sees the site. All bytes are borrowed.
type ServerView struct {
	IsSecure  bool   // it is spoken to by TLS
	Authority []byte // the Host that it gets
}

// AppendOwnURL appends a URL that a request names in a field the way the server knows it, if it is one of the site's own: scheme, host and the beginning of the path, as far as m maps that
// (m may be nil). Other URLs stay as they are, and so do references without a host but for their path.
func AppendOwnURL(dst, url []byte, p *Public, v *ServerView, m *PathMap) []byte {
	u := splitReference(url)
	switch {
	case !u.isURL:
		return append(dst, url...)
	case !u.hasAuthority:
		if len(u.rest) == 0 || u.rest[0] != '/' {
			return append(dst, url...)
		}
		return m.appendToServer(dst, u.rest)
	case !message.EqualFold(u.host, string(p.Host)) || u.hasScheme && u.portOr(u.isSecure) != portOf(p.Port, p.IsSecure):
		return append(dst, url...)
	}
	if v.IsSecure {
		dst = append(dst, "https://"...)
	} else {
		dst = append(dst, "http://"...)
	}
	dst = append(dst, v.Authority...)
	return m.appendToServer(dst, u.rest)
}

// appendToServer appends the server's path for a public one; what is behind the path stays.
func (m *PathMap) appendToServer(dst, rest []byte) []byte {
	if m == nil || !isUnder(rest, m.Public) {
		return append(dst, rest...)
	}
	dst = append(dst, m.Server...)
	return append(dst, rest[min(len(m.Public), len(rest)):]...)
}

// ownURLsMost bounds the URLs of one field that are mapped: each may become longer, and a client could have weir write much for little.
const ownURLsMost = 32

// AppendOwnURLs appends the value of an If field: its resource tags are URLs, and what stands in parentheses are conditions (RFC 4918 section 10.4).
func AppendOwnURLs(dst, value []byte, p *Public, v *ServerView, m *PathMap) []byte {
	depth, mapped := 0, 0
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == '<' && depth == 0 && mapped < ownURLsMost:
			mapped++
			if end := bytes.IndexByte(value[i:], '>'); end > 0 {
				dst = append(dst, '<')
				dst = AppendOwnURL(dst, value[i+1:i+end], p, v, m)
				i += end
			}
		}
		dst = append(dst, value[i])
	}
	return dst
}
