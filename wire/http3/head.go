package http3

import (
	"bytes"
	"io"

	"github.com/quic-go/qpack"

	"github.com/weir-proxy/weir/wire/http2"
)

// Decode gives the fields of a section to the layout. The error is one of the whole connection: RFC 9204 section 2.2: "If the decoder encounters a reference in a
// field line representation to a dynamic table entry" that cannot be, or "encounters an invalid" representation, it "MUST treat this as a connection error of
// type QPACK_DECOMPRESSION_FAILED".
func Decode(block []byte, to *http2.Layout) error {
	next := qpack.NewDecoder().Decode(block)
	var secrets secrets
	for secrets.start(block); ; {
		isSecret := secrets.next()
		f, err := next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if to.IsTooLarge() {
			return nil // what follows changes nothing: there is no table to keep
		}
		if isSecret {
			to.SecretField(f.Name, f.Value)
		} else {
			to.Field(f.Name, f.Value)
		}
	}
}

// Bits of the representations (RFC 9204 section 4.5).
const (
	indexedStatic = 0xc0 // 6 bits of index follow
	namedStatic   = 0x50 // 4 bits of index, then the value
	neverIndexed  = 0x20 // with namedStatic
	literal       = 0x20 // 3 bits of the name's length
	secretLiteral = 0x30 // the same, never to be indexed
)

// noTable is the prefix of a section that refers to no dynamic table (RFC 9204 section 4.5.1).
var noTable = []byte{0, 0}

// Indices of the static table (RFC 9204 appendix A).
const (
	staticAuthority = 0
	staticRoot      = 1
	staticPath      = 1
	staticCONNECT   = 15
	staticHTTP      = 22
	staticHTTPS     = 23
	staticStatus    = 24
)

var staticMethods = map[string]byte{"CONNECT": staticCONNECT, "DELETE": 16, "GET": 17, "HEAD": 18, "OPTIONS": 19, "POST": 20, "PUT": 21}

// staticStatuses are those that the table has whole.
var staticStatuses = map[int]byte{103: 24, 200: 25, 304: 26, 404: 27, 503: 28, 100: 63, 204: 64, 206: 65, 302: 66, 400: 67, 403: 68, 421: 69, 425: 70, 500: 71}

// staticNames are the table's names of regular fields.
var staticNames = map[string]byte{
	"age": 2, "content-disposition": 3, "content-length": 4, "cookie": 5, "date": 6, "etag": 7, "if-modified-since": 8, "if-none-match": 9,
	"last-modified": 10, "link": 11, "location": 12, "referer": 13, "set-cookie": 14, "accept": 29, "accept-encoding": 31, "accept-ranges": 32,
	"access-control-allow-headers": 33, "access-control-allow-origin": 35, "cache-control": 36, "content-encoding": 42, "content-type": 44, "range": 55,
	"strict-transport-security": 56, "vary": 59, "x-content-type-options": 61, "x-xss-protection": 62, "accept-language": 72,
	"access-control-allow-credentials": 73, "access-control-allow-methods": 76, "access-control-expose-headers": 79,
	"access-control-request-headers": 80, "access-control-request-method": 81, "alt-svc": 83, "authorization": 84, "content-security-policy": 85,
	"early-data": 86, "expect-ct": 87, "forwarded": 88, "if-range": 89, "origin": 90, "purpose": 91, "server": 92, "timing-allow-origin": 93,
	"upgrade-insecure-requests": 94, "user-agent": 95, "x-forwarded-for": 96, "x-frame-options": 97,
}

var staticTable = http2.NewNames(staticNames)

// isSecret: RFC 9204 section 7.1.3: never-indexed literals are for values that must not be guessed by what compresses.
func isSecret(index byte) bool { return index == 5 || index == 14 || index == 84 }

// isSecretName is isSecret for what the static table does not have.
func isSecretName(name []byte) bool { return string(name) == "proxy-authorization" }

func appendNamed(dst []byte, index int, value []byte) []byte {
	return http2.AppendString(http2.AppendInt(dst, namedStatic, 4, index), value)
}

// appendPseudo is appendNamed for path and authority, which have lost what the client said of them: they are never to be indexed, as nothing that may be secret.
func appendPseudo(dst []byte, index int, value []byte) []byte {
	return http2.AppendString(http2.AppendInt(dst, namedStatic|neverIndexed, 4, index), value)
}

// AppendResponse appends the section of a response whose head has the form of HTTP/1.1. It ends at the empty line, if there is one.
func AppendResponse(dst, head []byte) []byte {
	status := int(head[9]-'0')*100 + int(head[10]-'0')*10 + int(head[11]-'0')
	dst = append(dst, noTable...)
	if i := staticStatuses[status]; i != 0 {
		dst = http2.AppendInt(dst, indexedStatic, 6, int(i))
	} else {
		dst = appendNamed(dst, staticStatus, head[9:12])
	}
	return appendFields(dst, head[bytes.IndexByte(head, '\n')+1:])
}

// AppendTrailers appends the section of trailer lines.
func AppendTrailers(dst, lines []byte) []byte { return appendFields(append(dst, noTable...), lines) }

// AppendRequest appends the section of a request whose head has the form of HTTP/1.1, with Host as the first field.
func AppendRequest(dst, head []byte, t http2.Target) []byte {
	dst = append(dst, noTable...)
	method, path, host, lines := http2.CutRequest(head)
	if t.Protocol != "" {
		method = []byte("CONNECT")
	}
	if i := staticMethods[string(method)]; i != 0 {
		dst = http2.AppendInt(dst, indexedStatic, 6, int(i))
	} else {
		dst = appendNamed(dst, staticCONNECT, method)
	}
	scheme := staticHTTP
	if t.Secure {
		scheme = staticHTTPS
	}
	dst = http2.AppendInt(dst, indexedStatic, 6, scheme)
	if string(path) == "/" {
		dst = http2.AppendInt(dst, indexedStatic, 6, staticRoot)
	} else {
		dst = appendPseudo(dst, staticPath, path)
	}
	if host != nil {
		dst = appendPseudo(dst, staticAuthority, host)
	}
	if t.Protocol != "" {
		dst = appendLiteral(dst, []byte(":protocol"), []byte(t.Protocol), false)
	}
	return appendFields(dst, lines)
}

// appendFields appends the field lines at the beginning of lines, up to an empty line or the end, but for those that belong to a connection of HTTP/1.1.
func appendFields(dst, lines []byte) []byte {
	for len(lines) > 0 && lines[0] != '\r' {
		var name, value []byte
		line := lines
		name, value, lines = http2.CutField(lines)
		dst = appendField(dst, name, value, http2.IsSecret(line, name))
	}
	return dst
}

func appendField(dst, name, value []byte, secret bool) []byte {
	if len(name) > http2.NameMost {
		return appendLiteral(dst, bytes.ToLower(name), value, secret)
	}
	var room [http2.NameMost]byte
	key := http2.LowerName(&room, name)
	if index := staticTable.Index(key); index != 0 {
		first := byte(namedStatic)
		if secret || isSecret(index) {
			first |= neverIndexed
		}
		return http2.AppendString(http2.AppendInt(dst, first, 4, int(index)), value)
	}
	if http2.IsOfConnection(key, value) {
		return dst
	}
	return appendLiteral(dst, key, value, secret || isSecretName(key))
}

func appendLiteral(dst, name, value []byte, secret bool) []byte {
	form := byte(literal)
	if secret {
		form = secretLiteral
	}
	return http2.AppendString(append(http2.AppendInt(dst, form, 3, len(name)), name...), value)
}
