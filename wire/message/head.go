package message

// Method is a request method; MethodOther for every token that has no row here.
type Method uint8

const (
	MethodOther Method = iota
	MethodGET
	MethodHEAD
	MethodPOST
	MethodPUT
	MethodDELETE
	MethodCONNECT
	MethodOPTIONS
	MethodTRACE
	MethodPATCH
	methodCount
)

// methods says of each method what RFC 9110 section 9.2 says of it.
var methods = [methodCount]struct {
	name             string
	safe, idempotent bool
}{
	MethodGET: {"GET", true, true}, MethodHEAD: {"HEAD", true, true}, MethodPOST: {"POST", false, false},
	MethodPUT: {"PUT", false, true}, MethodDELETE: {"DELETE", false, true}, MethodCONNECT: {"CONNECT", false, false},
	MethodOPTIONS: {"OPTIONS", true, true}, MethodTRACE: {"TRACE", true, true}, MethodPATCH: {"PATCH", false, false},
}

// String returns the method's token; "" for MethodOther.
func (m Method) String() string { return methods[m].name }

// IsSafe and IsIdempotent are RFC 9110 sections 9.2.1 and 9.2.2; false for a method unknown to weir.
func (m Method) IsSafe() bool       { return methods[m].safe }
func (m Method) IsIdempotent() bool { return methods[m].idempotent }

// MethodOf finds the method of a token; methods are case-sensitive (RFC 9110 section 9.1).
func MethodOf(b []byte) Method {
	for m := MethodGET; m < methodCount; m++ {
		if string(b) == methods[m].name {
			return m
		}
	}
	return MethodOther
}

// registered are methods without a row of their own that servers act upon (WebDAV and its relatives).
var registered = [...]string{"ACL", "BASELINE-CONTROL", "BIND", "CHECKIN", "CHECKOUT", "COPY", "LABEL", "LINK", "LOCK", "MERGE", "MKACTIVITY", "MKCALENDAR", "MKCOL",
	"MKREDIRECTREF", "MKWORKSPACE", "MOVE", "ORDERPATCH", "PRI", "PROPFIND", "PROPPATCH", "PURGE", "QUERY", "REBIND", "REPORT", "SEARCH", "UNBIND", "UNCHECKOUT",
	"UNLINK", "UNLOCK", "UPDATE", "UPDATEREDIRECTREF", "VERSION-CONTROL"}

// IsMisspelledMethod reports whether a token is a registered method in other letters, such as "get". Methods are case-sensitive (RFC 9110 section 9.1), and some
// servers ignore that: a rule for POST would be evaded with "post".
func IsMisspelledMethod(b []byte) bool {
	for m := MethodGET; m < methodCount; m++ {
		if EqualFold(b, methods[m].name) {
			return string(b) != methods[m].name
		}
	}
	for _, name := range registered {
		if EqualFold(b, name) {
			return string(b) != name
		}
	}
	return false
}

// Framing says how the end of a body is found (RFC 9112 section 6).
type Framing uint8

const (
	FramingNone       Framing = iota // no body
	FramingLength                    // Head.Length bytes
	FramingChunked                   // chunks, then trailers
	FramingUntilClose                // a response that ends with its connection
)

// Head is what a request and a response have in common.
type Head struct {
	Fields
	Raw       Span // the whole head with its empty line
	FieldsAt  Span // the field lines, without start line and empty line
	Framing   Framing
	Length    int64 // with FramingLength: bytes of the body
	Major     uint8 // the version it came in; one that is not 1 has the form of HTTP/1.1 here
	Minor     uint8 // HTTP/1.x: x
	Names     bool  // a Connection field names other fields, which belong to the connection
	KeepAlive bool  // the peer lets this connection be used again
	Upgrade   bool  // a Connection: upgrade option and an Upgrade field are present
}

// Request is a request head. Spans point into Buf.
type Request struct {
	Head
	Method     Method
	MethodName Span
	Target     Span // request-target as received
	Path       Span // path of the target, as received; "*" for the asterisk form
	Query      Span // query without '?', empty if none
	Authority  Span // host[:port] the request is for: the target's if absolute, the Host field's otherwise
	HasQuery   bool // a '?' was there, maybe with nothing after it
	Expect     bool // Expect: 100-continue
	Trailers   bool // TE: trailers
}

// Response is a response head. Spans point into Buf.
type Response struct {
	Head
	Status int
	Reason Span
}
