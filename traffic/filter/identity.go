package filter

import (
	"strings"

	"github.com/weir-proxy/weir/wire/message"
)

// Identity takes out of answers what tells clients which server gave them: URLs and cookies by which a server speaks of itself come to
// speak of the public site. Immutable.
type Identity struct {
	Names []string // by which servers call themselves besides those of their pool, in lower case; "*.x" is every name below x
	Paths *PathMap // from the servers' paths to the public ones; nil: they are the same
}

// Public is the site as the client sees it, and whom it must not see. All bytes are borrowed for the call.
type Public struct {
	IsSecure       bool   // the client came by https
	Authority      []byte // that the client asked for: host, and port if it said one; empty if it said none
	Host, Port     []byte // its parts
	ServerIsSecure bool   // the server was asked over TLS
	ServerPort     uint16 // 0: it has none
	// IsServer reports whether the host, a name or an IP address in any case, is a server's; with parents, also whether a server's
	// name is below it.
	IsServer func(host []byte, parents bool) bool
}

// AppendURL appends a URL or relative reference as the client has to see it. Foreign ones, and what is no URL, stay as they are.
func (i *Identity) AppendURL(dst, text []byte, p *Public) []byte {
	u := splitReference(text)
	isPublic := sameHost(u.host, p.Host)
	switch {
	case !u.isURL:
		return append(dst, text...)
	case !u.hasAuthority:
		return i.appendPath(dst, u.rest)
	case isPublic && p.isItself(&u):
		return i.appendPublic(dst, &u, p)
	case isPublic && p.isReached(&u): // also where a server has the public name
	case i.isServer(u.host, false, p):
		return i.appendPublic(dst, &u, p)
	case !isPublic:
		return append(dst, text...)
	}
	dst = append(dst, text[:len(text)-len(u.rest)]...)
	return i.appendPath(dst, u.rest)
}

func (i *Identity) isServer(host []byte, parents bool, p *Public) bool {
	if len(host) == 0 {
		return false
	}
	for _, name := range i.Names {
		domain, below := strings.CutPrefix(name, "*.")
		if !below && message.EqualFold(host, name) || below && isBelow(host, domain) ||
			parents && (message.EqualFold(host, domain) || isBelow([]byte(domain), string(host))) {
			return true
		}
	}
	return p.IsServer(host, parents)
}

// isBelow reports whether host is a name below domain.
func isBelow(host []byte, domain string) bool {
	n := len(host) - len(domain)
	return n > 1 && host[n-1] == '.' && message.EqualFold(host[n:], domain)
}

func sameHost(a, b []byte) bool { return len(b) > 0 && message.EqualFold(a, string(b)) }

// isItself reports whether a URL of the public host means the site as the server sees it: by the way it was asked, at its own port, as web
// servers write it that know the host they were asked for and not the port or scheme that the client used. One that leads from http to
// https, or back where the server is asked over TLS, is meant as it says: changed, it would lead around in a circle.
func (p *Public) isItself(u *reference) bool {
	secure := u.isSecure
	if !u.hasScheme {
		secure = p.ServerIsSecure
	}
	if secure != p.ServerIsSecure || secure && !p.IsSecure {
		return false
	}
	port := u.portOr(secure)
	return p.ServerPort != 0 && port == int(p.ServerPort) || port == portOf(p.Port, p.IsSecure)
}

// isReached reports whether a URL of the public host is at a port by which clients reach it: the one they came by, or its scheme's own.
func (p *Public) isReached(u *reference) bool {
	port := u.portOr(u.isSecure)
	return port == portOf(nil, u.isSecure) || port == portOf(p.Port, p.IsSecure)
}

// appendPublic appends the URL with the public scheme and authority.
func (i *Identity) appendPublic(dst []byte, u *reference, p *Public) []byte {
	// A server that is asked in clear text and says https means it; the other way round it may not know of the TLS before it.
	secure := p.IsSecure || u.hasScheme && u.isSecure && !p.ServerIsSecure
	authority := p.Authority
	if secure != p.IsSecure {
		authority = p.Host // the port is the other scheme's
	}
	if len(authority) > 0 {
		switch {
		case !u.hasScheme:
		case secure:
			dst = append(dst, "https:"...)
		default:
			dst = append(dst, "http:"...)
		}
		dst = append(dst, "//"...)
		dst = append(dst, authority...)
	}
	rest := u.rest
	if len(rest) == 0 || rest[0] != '/' {
		dst = i.appendPath(dst, root)
		return append(dst, rest...)
	}
	for len(authority) == 0 && len(rest) > 1 && rest[1] == '/' {
		rest = rest[1:] // it would be an authority
	}
	return i.appendPath(dst, rest)
}

var root = []byte("/")

// appendPath appends path, query and fragment; relative paths mean the same to both sides.
func (i *Identity) appendPath(dst, rest []byte) []byte {
	if i.Paths == nil || len(rest) == 0 || rest[0] != '/' {
		return append(dst, rest...)
	}
	end := 0
	for end < len(rest) && rest[end] != '?' && rest[end] != '#' {
		end++
	}
	dst = i.Paths.Append(dst, rest[:end])
	return append(dst, rest[end:]...)
}

// IdentityFields are those that tell which server answered, or what software it is, and nothing that a client needs.
func IdentityFields() []message.FieldID {
	return []message.FieldID{message.FieldServer, message.FieldVia, message.FieldXPoweredBy, message.FieldXAspNetVersion,
		message.FieldXAspNetMVCVersion, message.FieldAltSvc, message.FieldXFEServer, message.FieldXBEServer, message.FieldXTargetBEServer,
		message.FieldXCalculatedBETarget, message.FieldXDiagInfo, message.FieldXMSServerFQDN, message.FieldXServedBy, message.FieldXBackendServer,
		message.FieldXServer, message.FieldXServerName, message.FieldXUpstream}
}
