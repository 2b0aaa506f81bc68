package filter

import "github.com/weir-proxy/weir/wire/message"

// reference is a URL or relative reference in its parts, which are borrowed.
type reference struct {
	isURL        bool // http, https or relative
	hasScheme    bool
	isSecure     bool   // https
	hasAuthority bool   // rest follows it
	host         []byte // an IPv6 address in its brackets, a name without final dot
	port         []byte
	rest         []byte // path, query and fragment
}

// splitReference takes text apart. What browsers would read otherwise than RFC 3986 does, as with a backslash, is no URL.
func splitReference(text []byte) (u reference) {
	for _, c := range text {
		if c <= ' ' || c == '\\' || c == 0x7f {
			return reference{}
		}
	}
	u.rest = text
	if n := schemeLen(text); n > 0 {
		u.hasScheme, u.isSecure = true, message.EqualFold(text[:n], "https")
		if !u.isSecure && !message.EqualFold(text[:n], "http") || len(text) < n+3 || text[n+1] != '/' || text[n+2] != '/' {
			return reference{}
		}
		u.rest = text[n+1:]
	}
	if len(u.rest) < 2 || u.rest[0] != '/' || u.rest[1] != '/' {
		u.isURL = true
		return u
	}
	end := 2
	for end < len(u.rest) && u.rest[end] != '/' && u.rest[end] != '?' && u.rest[end] != '#' {
		end++
	}
	u.hasAuthority = true
	u.host, u.port, u.isURL = splitAuthority(u.rest[2:end])
	u.rest = u.rest[end:]
	return u
}

// schemeLen is the length of the scheme before the colon; 0 if there is none (RFC 3986 section 3.1).
func schemeLen(text []byte) int {
	for i, c := range text {
		c |= 0x20
		switch {
		case text[i] == ':':
			return i
		case 'a' <= c && c <= 'z':
		case i > 0 && ('0' <= text[i] && text[i] <= '9' || text[i] == '+' || text[i] == '-' || text[i] == '.'):
		default:
			return 0
		}
	}
	return 0
}

// splitAuthority: "authority = [ userinfo "@" ] host [ ":" port ]" (RFC 3986 section 3.2).
func splitAuthority(a []byte) (host, port []byte, ok bool) {
	for i := len(a) - 1; i >= 0; i-- {
		if a[i] == '@' {
			a = a[i+1:]
			break
		}
	}
	if len(a) > 0 && a[0] == '[' {
		end := 1
		for end < len(a) && a[end] != ']' {
			end++
		}
		if end == len(a) {
			return nil, nil, false
		}
		host, a = a[:end+1], a[end+1:]
	} else {
		end := 0
		for end < len(a) && a[end] != ':' {
			end++
		}
		host, a = a[:end], a[end:]
		if n := len(host); n > 1 && host[n-1] == '.' {
			host = host[:n-1]
		}
	}
	if len(a) > 0 {
		if a[0] != ':' {
			return nil, nil, false
		}
		port = a[1:]
	}
	for _, c := range port {
		if c < '0' || c > '9' {
			return nil, nil, false
		}
	}
	return host, port, len(host) > 0 && len(port) < 6
}

// SplitAuthority takes what a trusted proxy says the client asked for apart; not ok if it is no host with or without port.
func SplitAuthority(a []byte) (host, port []byte, ok bool) {
	for _, c := range a {
		if l := c | 0x20; ('a' > l || l > 'z') && (c < '-' || c > ':' || c == '/') && c != '[' && c != ']' && c != '_' {
			return nil, nil, false
		}
	}
	return splitAuthority(a)
}

func (u *reference) portOr(secure bool) int { return portOf(u.port, secure) }

// portOf is the number of a port that was found good, or that of the scheme.
func portOf(text []byte, secure bool) (n int) {
	for _, c := range text {
		n = n*10 + int(c-'0')
	}
	switch {
	case len(text) > 0:
		return n
	case secure:
		return 443
	}
	return 80
}
