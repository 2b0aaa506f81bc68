package http2

import (
	"bytes"
	"strconv"

	"github.com/weir-proxy/weir/wire/message"
)

// Heads are written with the static table and literals that enter no table, as nginx and HAProxy do it: what a field costs does not depend on
// those before it, and a peer's table size is of no interest. NoTable says so to the peer's decoder.

// NoTable is the dynamic table size update to 0 that the first head of a connection begins with. RFC 7541 section 4.2: "This dynamic table size update MUST
// occur at the beginning of the first header block following the change to the dynamic table size."
const NoTable = 0x20

// Bits of the representations (RFC 7541 section 6).
const (
	indexed      = 0x80 // 7 bits of index follow
	literal      = 0x00 // without indexing; 4 bits
	neverIndexed = 0x10 // 4 bits
)

// Indices of the static table (RFC 7541 appendix A).
const (
	staticAuthority = 1
	staticGET       = 2
	staticMethod    = 2
	staticPOST      = 3
	staticRoot      = 4
	staticPath      = 4
	staticHTTP      = 6
	staticHTTPS     = 7
	staticStatus    = 8
)

// staticStatuses are those that the table has whole.
var staticStatuses = map[int]byte{200: 8, 204: 9, 206: 10, 304: 11, 400: 12, 404: 13, 500: 14}

// staticNames are the table's names of regular fields.
var staticNames = map[string]byte{
	"accept-charset": 15, "accept-encoding": 16, "accept-language": 17, "accept-ranges": 18, "accept": 19, "access-control-allow-origin": 20,
	"age": 21, "allow": 22, "authorization": 23, "cache-control": 24, "content-disposition": 25, "content-encoding": 26, "content-language": 27,
	"content-length": 28, "content-location": 29, "content-range": 30, "content-type": 31, "cookie": 32, "date": 33, "etag": 34, "expect": 35,
	"expires": 36, "from": 37, "host": 38, "if-match": 39, "if-modified-since": 40, "if-none-match": 41, "if-range": 42,
	"if-unmodified-since": 43, "last-modified": 44, "link": 45, "location": 46, "max-forwards": 47, "proxy-authenticate": 48,
	"proxy-authorization": 49, "range": 50, "referer": 51, "refresh": 52, "retry-after": 53, "server": 54, "set-cookie": 55,
	"strict-transport-security": 56, "transfer-encoding": 57, "user-agent": 58, "vary": 59, "via": 60, "www-authenticate": 61,
}

var staticTable = NewNames(staticNames)

// isSecret: RFC 7541 section 7.1.3: "Never-indexed literals" are for values that must not be guessed by what compresses. These fields have such values, whatever
// the peer thought of them.
func isSecret(index byte) bool {
	return index == 23 || index == 32 || index == 49 || index == 55
}

// AppendInt appends an integer with a prefix of the given number of bits (RFC 7541 section 5.1; RFC 9204 section 4.1.1 has the same).
func AppendInt(dst []byte, first byte, bits uint, n int) []byte {
	most := 1<<bits - 1
	if n < most {
		return append(dst, first|byte(n))
	}
	dst = append(dst, first|byte(most))
	for n -= most; n >= 0x80; n >>= 7 {
		dst = append(dst, byte(n)|0x80)
	}
	return append(dst, byte(n))
}

// AppendString appends a string without a code of Huffman.
func AppendString(dst []byte, s []byte) []byte { return append(AppendInt(dst, 0, 7, len(s)), s...) }

// appendNamed appends a literal whose name is in the table.
func appendNamed(dst []byte, index int, value []byte) []byte {
	return AppendString(AppendInt(dst, literal, 4, index), value)
}

// appendPseudo is appendNamed for path and authority, which have lost what the client said of them: they are never to be indexed, as nothing that may be secret.
func appendPseudo(dst []byte, index int, value []byte) []byte {
	return AppendString(AppendInt(dst, neverIndexed, 4, index), value)
}

// AppendStatus appends :status.
func AppendStatus(dst []byte, status int) []byte {
	if i := staticStatuses[status]; i != 0 {
		return append(dst, indexed|i)
	}
	dst = AppendInt(dst, literal, 4, staticStatus)
	return append(dst, 3, '0'+byte(status/100%10), '0'+byte(status/10%10), '0'+byte(status%10))
}

// AppendResponse appends the header block of a response whose head has the form of HTTP/1.1. It ends at the empty line, if there is one.
func AppendResponse(dst, head []byte) []byte {
	status := int(head[9]-'0')*100 + int(head[10]-'0')*10 + int(head[11]-'0')
	dst = AppendStatus(dst, status)
	return AppendFields(dst, head[bytes.IndexByte(head, '\n')+1:])
}

// Target is what a request line says besides method and target.
type Target struct {
	Secure   bool
	Protocol string // of an extended CONNECT; "": a plain request
}

// AppendRequest appends the header block of a request whose head has the form of HTTP/1.1, with Host as the first field.
func AppendRequest(dst, head []byte, t Target) []byte {
	method, path, host, lines := CutRequest(head)
	switch {
	case t.Protocol != "":
		dst = appendNamed(dst, staticMethod, connectMethod)
	case string(method) == "GET":
		dst = append(dst, indexed|staticGET)
	case string(method) == "POST":
		dst = append(dst, indexed|staticPOST)
	default:
		dst = appendNamed(dst, staticMethod, method)
	}
	scheme := byte(staticHTTP)
	if t.Secure {
		scheme = staticHTTPS
	}
	dst = append(dst, indexed|scheme)
	if len(path) == 1 && path[0] == '/' {
		dst = append(dst, indexed|staticRoot)
	} else {
		dst = appendPseudo(dst, staticPath, path)
	}
	if host != nil {
		dst = appendPseudo(dst, staticAuthority, host)
	}
	if t.Protocol != "" {
		dst = append(dst, literal, byte(len(":protocol")))
		dst = append(dst, ":protocol"...)
		dst = AppendString(dst, []byte(t.Protocol))
	}
	return AppendFields(dst, lines)
}

var connectMethod = []byte("CONNECT")

// AppendFields appends the field lines at the beginning of lines, up to an empty line or the end, but for those that belong to a connection of HTTP/1.1.
func AppendFields(dst, lines []byte) []byte {
	for len(lines) > 0 && lines[0] != '\r' {
		var name, value []byte
		line := lines
		name, value, lines = CutField(lines)
		dst = appendField(dst, name, value, IsSecret(line, name))
	}
	return dst
}

func appendField(dst, name, value []byte, secret bool) []byte {
	form := byte(literal)
	if secret {
		form = neverIndexed
	}
	if len(name) > NameMost {
		dst = append(dst, form)
		dst = AppendInt(dst, 0, 7, len(name))
		for _, c := range name {
			dst = append(dst, message.Lower(c))
		}
		return AppendString(dst, value)
	}
	var room [NameMost]byte
	key := LowerName(&room, name)
	if index := staticTable.Index(key); index != 0 {
		switch {
		case index == 57: // transfer-encoding
			return dst
		case isSecret(index):
			return AppendString(AppendInt(dst, neverIndexed, 4, int(index)), value)
		}
		return AppendString(AppendInt(dst, form, 4, int(index)), value)
	}
	if IsOfConnection(key, value) {
		return dst
	}
	dst = append(dst, form)
	return AppendString(AppendString(dst, key), value)
}

// AppendLength appends content-length.
func AppendLength(dst []byte, n int64) []byte {
	var text [20]byte
	return appendNamed(dst, 28, strconv.AppendInt(text[:0], n, 10))
}
