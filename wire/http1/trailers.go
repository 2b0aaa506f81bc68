package http1

import "github.com/weir-proxy/weir/wire/message"

// maxTrailerLines bounds the fields of a request's trailer section as those of its head.
const maxTrailerLines = message.MaxFields

// AppendTrailers appends the lines of a trailer section that Chunked has collected, without those that may not stand there and those for which
// passes is false.
func AppendTrailers(dst, section []byte, passes func(name []byte) bool) []byte {
	for len(section) > 0 {
		end := 0
		for section[end] != '\n' {
			end++
		}
		line := section[:end+1]
		section = section[end+1:]
		name := line[:tokenLen(line)]
		if MayTrail(name) && passes(name) {
			dst = append(dst, line...)
		}
	}
	return dst
}

// MayTrail reports whether a field may stand in a trailer section. RFC 9110 section 6.5.1: "Many fields cannot be processed outside the header
// section because their evaluation is necessary prior to receiving the content, such as those that describe message framing, routing,
// authentication, request modifiers, response controls, or content format." None of those that weir has an interest in may, and none whose name
// becomes another's where servers see fields as variables: a server that merges trailers into the head must not be made to believe them.
func MayTrail(name []byte) bool {
	if len(name) == 0 || tokenLen(name) < len(name) || message.FieldIDOf(name) != message.FieldOther {
		return false
	}
	for _, c := range name {
		if c == '_' {
			return false
		}
	}
	for _, forbidden := range headOnly {
		if message.EqualFold(name, forbidden) {
			return false
		}
	}
	return !hasPrefixFold(name, "x-forwarded-") && !hasPrefixFold(name, "content-") && !hasPrefixFold(name, "sec-") &&
		!hasPrefixFold(name, "proxy-") && !hasPrefixFold(name, "access-control-")
}

// headOnly are the fields of the standards that have their meaning before the content, besides those with an ID of their own.
var headOnly = [...]string{"Accept-Charset", "Accept-Language", "Accept-Ranges", "Age", "Allow", "Authentication-Info", "Cache-Control",
	"Clear-Site-Data", "Cookie2", "Early-Data", "Expires", "From", "Max-Forwards", "Pragma", "Priority", "Set-Cookie2",
	"Strict-Transport-Security", "Vary", "Warning", "X-Frame-Options", "X-HTTP-Method-Override"}

func hasPrefixFold(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && message.EqualFold(b[:len(prefix)], prefix)
}
