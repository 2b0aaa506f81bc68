package http1

import "github.com/weir-proxy/weir/wire/message"

// Character classes, one bit each, so that a byte costs one load.
const (
	isToken      uint8 = 1 << iota // tchar, RFC 9110 section 5.6.2
	isValue                        // field-content: VCHAR, SP, HTAB, obs-text
	isTarget                       // bytes a request target may have; "#" begins a fragment, which is never sent
	isPath                         // of those, what a path may have
	isHost                         // reg-name and IPv4: unreserved, sub-delims without comma; no percent: no name needs it
	isUnreserved                   // RFC 3986 section 2.3
)

var chars = func() (t [256]uint8) {
	for c := range 256 {
		alnum := '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if alnum || in(c, "!#$%&'*+-.^_`|~") {
			t[c] |= isToken
		}
		if c == '\t' || c >= ' ' && c != 0x7f {
			t[c] |= isValue
		}
		if c > ' ' && c < 0x7f && c != '#' {
			t[c] |= isTarget
			if !in(c, `"<>\`) {
				t[c] |= isPath
			}
		}
		if alnum || in(c, "-._~") {
			t[c] |= isUnreserved | isHost
		}
		if in(c, "!$&'()*+;=") {
			t[c] |= isHost
		}
	}
	return
}()

func in(c int, set string) bool {
	for i := range len(set) {
		if int(set[i]) == c {
			return true
		}
	}
	return false
}

// hexValue is -1 for what is no hexadecimal digit.
func hexValue(c byte) int {
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

// IsToken reports whether b is a token (RFC 9110 section 5.6.2).
func IsToken(b []byte) bool { return len(b) > 0 && tokenLen(b) == len(b) }

// IsFieldValue reports whether b is what a field's value may be: neither CR, LF nor NUL, nor any other control character but HTAB, and no
// whitespace at its ends (RFC 9110 section 5.5).
func IsFieldValue(b []byte) bool {
	return valueLen(b) == len(b) && len(message.TrimOWS(b)) == len(b)
}
