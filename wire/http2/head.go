package http2

import (
	"strings"

	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/message"
)

// Layout takes the fields of a header section as HPACK or QPACK give them and lays them out as HTTP/1.1 has them, so that what stands above sees
// one form of a head, and so that untouched lines are copied and not written anew. It keeps its buffers for the next head; whoever uses
// what it made copies it before. Owned by one connection at a time.
type Layout struct {
	Buf  []byte // the head
	list []message.Field

	kind       headKind
	fromServer bool
	limits     *http1.Limits
	malformed  string // why the head is no head; "" while it is one
	fault      *http1.Fault
	started    bool // the start line is written
	size       int  // as SETTINGS_MAX_HEADER_LIST_SIZE counts
	count      int
	decoded    int // bytes of names and values
	pseudo     [pseudoCount]string
	seen       [pseudoCount]bool
	host       string
	cookies    []string
	isSecret   bool // the field that is given is never to be indexed
}

type headKind uint8

const (
	requestHead headKind = iota
	responseHead
	trailerSection
)

const (
	pseudoMethod = iota
	pseudoScheme
	pseudoAuthority
	pseudoPath
	pseudoProtocol
	pseudoStatus
	pseudoCount
)

var pseudoNames = [pseudoCount]string{":method", ":scheme", ":authority", ":path", ":protocol", ":status"}

// FaultProtocol answers an extended CONNECT for something that weir does not carry. RFC 8441 leaves the status open; RFC 9220 section 3 has 501.
var FaultProtocol = &http1.Fault{Status: 501, Reason: "protocol_not_supported"}

// fieldOverhead is what a field costs besides its bytes (RFC 9113 section 10.5.1), so that thousands of empty ones are not free.
const fieldOverhead = 32

func (l *Layout) start(kind headKind, limits *http1.Limits) {
	clear(l.cookies)
	*l = Layout{Buf: l.Buf[:0], list: l.list[:0], cookies: l.cookies[:0], kind: kind, limits: limits}
}

// StartRequest, StartResponse and StartTrailers begin a section. What servers send may have whitespace around values.
func (l *Layout) StartRequest(limits *http1.Limits) { l.start(requestHead, limits) }
func (l *Layout) StartResponse(limits *http1.Limits) {
	l.start(responseHead, limits)
	l.fromServer = true
}
func (l *Layout) StartTrailers(limits *http1.Limits, fromServer bool) {
	l.start(trailerSection, limits)
	l.fromServer = fromServer
}

// bufferKept and listKept are how much a layout keeps for the next head. One large head must not cost its connection that much for good.
const (
	bufferKept = 4 << 10
	listKept   = message.MaxFields
)

// Trim gives large buffers up. What was made of the last head is of no use after it.
func (l *Layout) Trim() {
	if cap(l.Buf) > bufferKept {
		l.Buf = nil
	}
	if cap(l.list) > listKept {
		l.list = nil
	}
	if cap(l.cookies) > listKept {
		l.cookies = nil
	}
}

// Decoded is how many bytes of names and values the section had so far.
func (l *Layout) Decoded() int { return l.decoded }

// Method is the request's method, as it was sent.
func (l *Layout) Method() string { return l.pseudo[pseudoMethod] }

// IsTooLarge reports whether the section has gone over a limit: what is still to come need not be given.
func (l *Layout) IsTooLarge() bool {
	return l.fault == http1.FaultHeadSize || l.fault == http1.FaultFieldCount
}

// Field takes the next field of the section.
func (l *Layout) Field(name, value string) {
	l.decoded += len(name) + len(value)
	l.size += len(name) + len(value) + fieldOverhead
	l.count++
	switch {
	case l.malformed != "" || l.IsTooLarge():
	case l.size > l.limits.HeadMost():
		l.fault = http1.FaultHeadSize
	case !l.fromServer && l.count > l.limits.FieldsMost():
		l.fault = http1.FaultFieldCount
	case len(name) > 0 && name[0] == ':':
		l.pseudoField(name, value)
	default:
		l.field(name, value)
	}
}

// SecretField takes the next field of the section, which the peer has sent as one that is never to be indexed. IsSecret knows its line.
func (l *Layout) SecretField(name, value string) {
	l.isSecret = true
	l.Field(name, value)
	l.isSecret = false
}

// pseudoField: RFC 9113 section 8.3: "All pseudo-header fields MUST appear in a field block before all regular field lines. Any request or response that
// contains a pseudo-header field that appears in a field block after a regular field line MUST be treated as malformed". "The same pseudo-header
// field name MUST NOT appear more than once in a field block." "Pseudo-header fields defined for requests MUST NOT appear in responses;
// pseudo-header fields defined for responses MUST NOT appear in requests. Pseudo-header fields MUST NOT appear in a trailer section."
func (l *Layout) pseudoField(name, value string) {
	at := 0
	for at < pseudoCount && pseudoNames[at] != name {
		at++
	}
	switch {
	case at == pseudoCount:
		l.malformed = "unknown_pseudo_field"
	case l.started || l.kind == trailerSection:
		l.malformed = "pseudo_field_after_fields"
	case l.seen[at]:
		l.malformed = "pseudo_field_twice"
	case (at == pseudoStatus) != (l.kind == responseHead):
		l.malformed = "pseudo_field_in_wrong_message"
	default:
		l.pseudo[at], l.seen[at] = value, true
	}
}

func (l *Layout) field(name, value string) {
	if !l.started {
		l.started = true
		secret := l.isSecret
		l.isSecret = false
		l.startLine()
		l.isSecret = secret
		if l.malformed != "" {
			return
		}
	}
	if l.kind == requestHead && name == "cookie" {
		l.cookie(value)
		return
	}
	if l.kind == requestHead && name == "host" && l.seen[pseudoAuthority] {
		// RFC 9113 section 8.3.1: "A server SHOULD treat a request as malformed if it contains a Host header field that identifies an entity
		// that differs from the entity in the ":authority" pseudo-header field."
		if !strings.EqualFold(value, l.pseudo[pseudoAuthority]) {
			l.fault = http1.FaultHostDiffers
		}
		return
	}
	l.line(name, value)
}

// line writes a field's line, if name and value are good.
func (l *Layout) line(name, value string) {
	if l.fromServer {
		value = strings.Trim(value, " \t") // Go's servers send such; trimmed, as HTTP/1.1 has it, it does no harm
	}
	start := len(l.Buf)
	b := append(l.Buf, name...)
	b = append(b, ": "...)
	if l.isSecret {
		b = append(b, secretSpace)
	}
	at := len(b)
	b = append(b, value...)
	b = append(b, "\r\n"...)
	l.Buf = b
	f := message.Field{Name: span(start, start+len(name)), Value: span(at, at+len(value)), Line: span(start, len(b))}
	if why := checkField(f.Name.Of(b), f.Value.Of(b)); why != "" {
		l.malformed = why
		return
	}
	f.ID = message.FieldIDOf(f.Name.Of(b))
	if isOfConnection(f.ID, f.Value.Of(b)) {
		l.malformed = "connection_specific_field"
		return
	}
	l.list = append(l.list, f)
}

func span(from, to int) message.Span { return message.Span{Off: uint32(from), End: uint32(to)} }

// checkField: RFC 9113 section 8.2.1: "A field name MUST NOT contain characters in the ranges 0x00-0x20, 0x41-0x5a, or 0x7f-0xff (all ranges
// inclusive)." "A field value MUST NOT contain the zero value (ASCII NUL, 0x00), line feed (ASCII LF, 0x0a), or carriage return (ASCII CR, 0x0d)
// at any position." "A field value MUST NOT start or end with an ASCII whitespace character". Only tokens are names here: HTTP/1.1 has no
// others.
func checkField(name, value []byte) string {
	if !http1.IsToken(name) {
		return "bad_field_name"
	}
	for _, c := range name {
		if 'A' <= c && c <= 'Z' {
			return "upper_case_field_name"
		}
	}
	if !http1.IsFieldValue(value) {
		return "bad_field_value"
	}
	return ""
}

// isOfConnection: RFC 9113 section 8.2.2: "An endpoint MUST NOT generate an HTTP/2 message containing connection-specific header fields. This
// includes the Connection header field and those listed as having connection-specific semantics in Section 7.6.1 of [HTTP] (that is,
// Proxy-Connection, Keep-Alive, Transfer-Encoding, and Upgrade). Any message containing connection-specific header fields MUST be treated as
// malformed". "The only exception to this is the TE header field, which MAY be present in an HTTP/2 request; when it is, it MUST NOT contain any value
// other than "trailers"."
func isOfConnection(id message.FieldID, value []byte) bool {
	switch id {
	case message.FieldConnection, message.FieldProxyConnection, message.FieldKeepAlive, message.FieldTransferEncoding, message.FieldUpgrade,
		message.FieldHTTP2Settings:
		return true
	case message.FieldTE:
		return !message.EqualFold(value, "trailers")
	}
	return false
}

// cookie: RFC 9113 section 8.2.3: "If there are multiple Cookie header fields after decompression, these MUST be concatenated into a single octet
// string using the two-octet delimiter of 0x3b, 0x20 (the ASCII string "; ") before being passed into a non-HTTP/2 context".
func (l *Layout) cookie(value string) { l.cookies = append(l.cookies, value) }

func (l *Layout) endCookies() {
	if len(l.cookies) == 0 {
		return
	}
	if len(l.cookies) == 1 {
		l.line("cookie", l.cookies[0])
		return
	}
	l.line("cookie", strings.Join(l.cookies, "; "))
}

// startLine writes the start line and, of a request, the Host that :authority stands for.
func (l *Layout) startLine() {
	switch l.kind {
	case requestHead:
		l.requestLine()
	case responseHead:
		l.statusLine()
	}
}

func (l *Layout) statusLine() {
	status := l.pseudo[pseudoStatus]
	if len(status) != 3 || status[0] < '1' || status[0] > '5' || status[1] < '0' || status[1] > '9' || status[2] < '0' || status[2] > '9' {
		l.malformed = "bad_status"
		return
	}
	code := int(status[0]-'0')*100 + int(status[1]-'0')*10 + int(status[2]-'0')
	l.Buf = append(l.Buf, "HTTP/1.1 "...)
	l.Buf = append(l.Buf, status...)
	l.Buf = append(l.Buf, ' ')
	l.Buf = append(l.Buf, message.ReasonPhrase(code)...)
	l.Buf = append(l.Buf, "\r\n"...)
}

// requestLine: RFC 9113 section 8.3.1: "All HTTP/2 requests MUST include exactly one valid value for the ":method", ":scheme", and ":path"
// pseudo-header fields, unless they are CONNECT requests". Section 8.5 of CONNECT: "The ":scheme" and ":path" pseudo-header fields MUST be omitted."
// RFC 8441 section 4: "On requests that contain the :protocol pseudo-header field, the :scheme and :path pseudo-header fields of the target URI … MUST
// also be included."
func (l *Layout) requestLine() {
	method, path := l.pseudo[pseudoMethod], l.pseudo[pseudoPath]
	extended := l.seen[pseudoProtocol]
	switch {
	case method == "CONNECT" && !extended:
		if l.seen[pseudoScheme] || l.seen[pseudoPath] || !l.seen[pseudoAuthority] {
			l.malformed = "bad_connect"
			return
		}
		path = l.pseudo[pseudoAuthority]
	case extended && (method != "CONNECT" || !l.seen[pseudoAuthority]):
		l.malformed = "bad_connect"
		return
	case !l.seen[pseudoScheme] || method == "" || path == "":
		l.malformed = "pseudo_field_missing"
		return
	case !isHTTPScheme(l.pseudo[pseudoScheme]):
		// Section 8.3.1: "":scheme" is not restricted to "http" and "https" schemed URIs"; but weir is a gateway of these two, and whatever else it is given has no meaning to a server.
		// "All HTTP/2 requests MUST include exactly one valid value".
		l.malformed = "bad_scheme"
		return
	case path[0] != '/' && !(path == "*" && method == "OPTIONS"):
		// "This pseudo-header field MUST NOT be empty for "http" or "https" URIs"; "a request … for "http" or "https" URIs … that does not
		// include a path component MUST include a ":path" pseudo-header field with a value of "*"" is of OPTIONS.
		l.malformed = "bad_path"
		return
	}
	if extended {
		method = "GET" // the opening handshake of RFC 6455, which is what the rest of weir carries
		if !strings.EqualFold(l.pseudo[pseudoProtocol], "websocket") {
			l.fault = FaultProtocol
		}
	}
	for _, v := range [...]string{method, path} {
		for i := range len(v) {
			if v[i] <= ' ' || v[i] == 0x7f {
				l.malformed = "bad_pseudo_field"
				return
			}
		}
	}
	l.Buf = append(l.Buf, method...)
	l.Buf = append(l.Buf, ' ')
	l.Buf = append(l.Buf, path...)
	l.Buf = append(l.Buf, " HTTP/1.1\r\n"...)
	if l.seen[pseudoAuthority] {
		l.line("host", l.pseudo[pseudoAuthority])
	}
	if extended && l.malformed == "" {
		l.list = append(l.list, upgradeLine(&l.Buf, "connection", "upgrade"), upgradeLine(&l.Buf, "upgrade", "websocket"))
	}
}

// isHTTPScheme: RFC 9110 section 4.2.3: "The scheme and host are case-insensitive".
func isHTTPScheme(s string) bool {
	return strings.EqualFold(s, "http") || strings.EqualFold(s, "https")
}

// upgradeLine writes what a field of an extended CONNECT is in HTTP/1.1.
func upgradeLine(b *[]byte, name, value string) message.Field {
	start := len(*b)
	*b = append(append(append(append(*b, name...), ": "...), value...), "\r\n"...)
	at := start + len(name) + 2
	f := message.Field{Name: span(start, start+len(name)), Value: span(at, at+len(value)), Line: span(start, len(*b))}
	f.ID = message.FieldIDOf(f.Name.Of(*b))
	return f
}

// end closes the section.
func (l *Layout) end() {
	if l.malformed == "" && !l.started && l.kind != trailerSection {
		l.started = true
		l.startLine()
	}
	if l.malformed == "" && !l.IsTooLarge() {
		l.endCookies()
	}
}

// Request ends a request's head, and fills r with spans into Buf. ended says that no content follows. malformed, if it is not "", is why the stream has to be
// reset; a fault is what the client has to be told in an answer. With either, r is of no use.
func (l *Layout) Request(r *message.Request, ended bool) (fault *http1.Fault, malformed string) {
	l.end()
	switch {
	case l.malformed != "":
		return nil, l.malformed
	case l.fault != nil:
		return l.fault, ""
	}
	fieldsAt, fault := http1.ParseRequestLine(l.Buf, 0, r, l.limits)
	switch {
	case fault == http1.FaultTargetLength, fault == http1.FaultMethod && len(l.pseudo[pseudoMethod]) > 32:
		return fault, ""
	case fault != nil || fieldsAt == 0:
		return nil, "bad_pseudo_field"
	}
	l.finish(&r.Head, fieldsAt)
	r.Major, r.Minor = 2, 1
	if fault = http1.FinishRequest(r); fault == http1.FaultLength || fault == http1.FaultLengthTwice {
		return nil, fault.Reason
	}
	switch {
	case l.seen[pseudoProtocol]:
		r.Framing = message.FramingNone // what follows is no content
	case r.Framing == message.FramingNone && !ended:
		// A length that is not known ends with the stream, as that of an answer of HTTP/1.0 with its connection.
		r.Framing = message.FramingUntilClose
	}
	return fault, ""
}

// Response ends a response's head, and fills r. method is that of the request it answers.
func (l *Layout) Response(r *message.Response, method message.Method) (malformed string) {
	l.end()
	switch {
	case l.malformed != "":
		return l.malformed
	case l.fault != nil:
		return l.fault.Reason
	}
	at := 0
	for l.Buf[at] != '\n' {
		at++
	}
	l.finish(&r.Head, at+1)
	r.Major, r.Minor = 2, 1
	r.Status = int(l.Buf[9]-'0')*100 + int(l.Buf[10]-'0')*10 + int(l.Buf[11]-'0')
	r.Reason = span(13, at-1)
	if fault := http1.FinishResponse(r, method); fault != nil {
		return fault.Reason
	}
	if r.Status == 101 {
		// RFC 9113 section 8.6: "HTTP/2 removes support for the 101 (Switching Protocols) informational status code".
		return "bad_status"
	}
	return ""
}

// FrameResponse settles how the content of a final response is framed whose method of request is given: it ends with its stream. ends says that no content follows, as far
// as is known; length is what was announced, -1 if nothing was.
func FrameResponse(r *message.Response, method message.Method, ends bool) (length int64, malformed string) {
	length = -1
	// RFC 9110 sections 9.3.2, 15.3.5 and 15.4.5: responses to HEAD, and 204 and 304, have no content, whatever their Content-Length says.
	hasContent := method != message.MethodHEAD && r.Status != 204 && r.Status != 304
	switch {
	case !hasContent:
		length = 0
	case r.Has(message.FieldContentLength):
		length = r.Length
	}
	switch {
	case ends && length > 0:
		return length, "content_missing"
	case ends:
		r.Framing = message.FramingNone
	case hasContent && r.Framing == message.FramingNone:
		r.Framing = message.FramingUntilClose // trailers follow
	}
	return length, ""
}

func (l *Layout) finish(h *message.Head, fieldsAt int) {
	end := len(l.Buf)
	l.Buf = append(l.Buf, "\r\n"...)
	h.Buf = l.Buf
	h.List = append(h.List[:0], l.list...)
	h.Raw = span(0, len(l.Buf))
	h.FieldsAt = span(fieldsAt, end)
}

// Trailers ends a trailer section; Buf has its lines.
func (l *Layout) Trailers() (malformed string) {
	switch {
	case l.malformed != "":
		return l.malformed
	case l.fault != nil:
		return l.fault.Reason
	}
	return ""
}
