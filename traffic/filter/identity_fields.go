package filter

import (
	"net/netip"

	"github.com/weir-proxy/weir/wire/message"
)

// AppendField appends the value of a field as the client has to see it.
func (i *Identity) AppendField(dst []byte, id message.FieldID, value []byte, p *Public) []byte {
	switch id {
	case message.FieldLink:
		return i.appendLink(dst, value, p)
	case message.FieldRefresh:
		return i.appendRefresh(dst, value, p)
	case message.FieldSetCookie:
		return i.appendCookie(dst, value, p)
	}
	return i.AppendURL(dst, value, p)
}

// appendLink: "Link = #( "<" URI-Reference ">" *( OWS ";" OWS link-param ) )" (RFC 8288 section 3). An anchor is a URI-Reference too.
func (i *Identity) appendLink(dst, value []byte, p *Public) []byte {
	from := 0
	for at := 0; at < len(value); at++ {
		end := at + 1
		switch value[at] {
		case '<':
			for end < len(value) && value[end] != '>' {
				end++
			}
		case '"':
			for end < len(value) && value[end] != '"' {
				if value[end] == '\\' {
					end++
				}
				end++
			}
			if !isAnchor(value[:at]) {
				at = end
				continue
			}
		default:
			continue
		}
		if end >= len(value) {
			break
		}
		dst = append(dst, value[from:at+1]...)
		dst = i.AppendURL(dst, value[at+1:end], p)
		from, at = end, end
	}
	return append(dst, value[from:]...)
}

// isAnchor reports whether before ends with `anchor=`.
func isAnchor(before []byte) bool {
	const name = "anchor="
	n := len(before) - len(name)
	return n > 0 && message.EqualFold(before[n:], name) && (before[n-1] == ';' || before[n-1] == ' ' || before[n-1] == '\t')
}

// appendRefresh: `5; url=/next`, in the forms that browsers take (HTML, "shared declarative refresh steps").
func (i *Identity) appendRefresh(dst, value []byte, p *Public) []byte {
	at := 0
	for at < len(value) && value[at] != ';' && value[at] != ',' {
		at++
	}
	for at < len(value) && (value[at] == ';' || value[at] == ',' || value[at] == ' ' || value[at] == '\t') {
		at++
	}
	if len(value)-at >= 3 && message.EqualFold(value[at:at+3], "url") {
		next := at + 3
		for next < len(value) && (value[next] == ' ' || value[next] == '\t') {
			next++
		}
		if next < len(value) && value[next] == '=' {
			for at = next + 1; at < len(value) && (value[at] == ' ' || value[at] == '\t'); at++ {
			}
		}
	}
	end := len(value)
	if at < len(value) && (value[at] == '"' || value[at] == '\'') {
		quote := value[at]
		at++
		for end = at; end < len(value) && value[end] != quote; end++ {
		}
	}
	dst = append(dst, value[:at]...)
	dst = i.AppendURL(dst, value[at:end], p)
	return append(dst, value[end:]...)
}

// appendCookie changes the attributes Domain and Path of a Set-Cookie value (RFC 6265 section 5.2); the last of each counts, so all are
// changed. Nothing is done to cookies whose name forbids it.
func (i *Identity) appendCookie(dst, value []byte, p *Public) []byte {
	const bound = "__Host-"
	if len(value) >= len(bound) && message.EqualFold(value[:len(bound)], bound) {
		return append(dst, value...)
	}
	for first := true; ; first = false {
		end := 0
		for end < len(value) && value[end] != ';' {
			end++
		}
		if first {
			dst = append(dst, value[:end]...)
		} else {
			dst = i.appendAttribute(dst, value[:end], p)
		}
		if end == len(value) {
			return dst
		}
		value = value[end+1:]
	}
}

// appendAttribute appends ";" and the attribute, or nothing.
func (i *Identity) appendAttribute(dst, text []byte, p *Public) []byte {
	at := 0
	for at < len(text) && text[at] != '=' {
		at++
	}
	name := message.TrimOWS(text[:at])
	value := message.TrimOWS(text[min(at+1, len(text)):])
	switch {
	case message.EqualFold(name, "path") && len(value) > 0 && value[0] == '/' && i.Paths != nil:
		dst = append(dst, "; Path="...)
		return i.appendCookiePath(dst, value)
	case message.EqualFold(name, "domain"):
		if become, changed := i.cookieDomain(value, p); changed {
			if len(become) == 0 {
				return dst
			}
			dst = append(dst, "; Domain="...)
			return append(dst, become...)
		}
	}
	dst = append(dst, ';')
	return append(dst, text...)
}

// appendCookiePath appends the public path, without the slash at its end that the beginning of public paths has: /api/ would not cover /api.
func (i *Identity) appendCookiePath(dst, path []byte) []byte {
	start := len(dst)
	dst = i.Paths.Append(dst, path)
	if n := len(dst); n-start > 1 && dst[n-1] == '/' && string(dst[start:]) == i.Paths.Public {
		dst = dst[:n-1]
	}
	return dst
}

// cookieDomain is what a cookie's domain has to become: a server's own host the public one, and one that servers share none at all, which
// binds the cookie to the public host. A domain to which the public host belongs is right as it is.
func (i *Identity) cookieDomain(domain []byte, p *Public) (become []byte, changed bool) {
	bare := domain
	if len(bare) > 0 && bare[0] == '.' {
		bare = bare[1:]
	}
	switch {
	case len(bare) == 0, sameHost(p.Host, bare), isBelow(p.Host, string(bare)):
		return nil, false
	case i.isServer(bare, false, p):
		if isAddress(p.Host) {
			return nil, true
		}
		return p.Host, true
	}
	return nil, i.isServer(bare, true, p)
}

// isAddress reports whether the host is an IP address, which no domain can be.
func isAddress(host []byte) bool {
	if len(host) > 0 && host[0] == '[' {
		return true
	}
	_, err := netip.ParseAddr(string(host))
	return err == nil
}
