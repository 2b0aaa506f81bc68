package message

import "errors"

// ErrPath says that a path has two readings and is refused.
var ErrPath = errors.New("ambiguous path")

// IsNormalPath reports whether path is its own normal form as far as a glance tells: no percent sign, no "//", no segment that begins with
// a dot. Nearly every path passes, and costs one look per byte.
func IsNormalPath(path []byte) bool {
	slash := false
	for _, c := range path {
		if c == '%' || slash && (c == '/' || c == '.') {
			return false
		}
		slash = c == '/'
	}
	return true
}

// AppendNormalPath appends the one normal form of path to dst: percent-encoded unreserved characters decoded, other encodings in upper
// case, dot segments resolved, slashes merged. Routing, access rules and the server all see this form, so that none of them can be
// made to see another (RFC 3986 section 6.2.2; Envoy CVE-2026-73511 and its family). ErrPath when an encoding is broken, hides a
// slash, a backslash or NUL, when a dot segment leaves the root, or has parameters.
func AppendNormalPath(dst, path []byte) ([]byte, error) {
	start := len(dst)
	for i := 0; i < len(path); {
		c := path[i]
		switch {
		case c == '/':
			if len(dst) == start || dst[len(dst)-1] != '/' {
				var err error
				if dst, err = closeSegment(dst, start); err != nil {
					return dst, err
				}
				if len(dst) == start || dst[len(dst)-1] != '/' {
					dst = append(dst, '/')
				}
			}
			i++
		case c == '%':
			if i+2 >= len(path) {
				return dst, ErrPath
			}
			hi, lo := unhex(path[i+1]), unhex(path[i+2])
			if hi < 0 || lo < 0 {
				return dst, ErrPath
			}
			v := byte(hi<<4 | lo)
			switch {
			case v == 0 || v == '/' || v == '\\':
				return dst, ErrPath
			case isUnreserved(v):
				dst = append(dst, v)
			default:
				const hex = "0123456789ABCDEF"
				dst = append(dst, '%', hex[hi], hex[lo])
			}
			i += 3
		default:
			dst = append(dst, c)
			i++
		}
	}
	return closeSegment(dst, start)
}

// closeSegment resolves the last segment of dst[start:] when it is a dot segment.
func closeSegment(dst []byte, start int) ([]byte, error) {
	s := len(dst)
	for s > start && dst[s-1] != '/' {
		s--
	}
	segment := dst[s:]
	name := segment
	for i, c := range segment {
		if c == ';' {
			name = segment[:i]
			break
		}
	}
	if string(name) != "." && string(name) != ".." {
		return dst, nil
	}
	if len(name) != len(segment) {
		return dst, ErrPath
	}
	if string(name) == "." {
		return dst[:s], nil
	}
	if s <= start+1 {
		return dst, ErrPath
	}
	s--
	for s > start && dst[s-1] != '/' {
		s--
	}
	return dst[:s], nil
}

func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
