package message

// FieldID names the fields that weir itself looks at; FieldOther is every other one.
type FieldID uint8

// One row per field; fieldNames gives the spelling.
const (
	FieldOther FieldID = iota
	FieldHost
	FieldConnection
	FieldContentLength
	FieldTransferEncoding
	FieldKeepAlive
	FieldProxyConnection
	FieldTE
	FieldTrailer
	FieldUpgrade
	FieldExpect
	FieldHTTP2Settings
	FieldForwarded
	FieldXForwardedFor
	FieldXForwardedProto
	FieldXForwardedHost
	FieldXForwardedPort
	FieldXForwardedPrefix
	FieldXForwardedServer
	FieldXForwardedSSL
	FieldXRealIP
	FieldVia
	FieldDate
	FieldServer
	FieldXPoweredBy
	FieldLocation
	FieldUserAgent
	FieldReferer
	FieldCookie
	FieldAuthorization
	FieldProxyAuthenticate
	FieldProxyAuthorization
	FieldRetryAfter
	FieldContentType
	FieldSetCookie
	fieldCount
)

var fieldNames = [fieldCount]string{
	FieldHost: "Host", FieldConnection: "Connection", FieldContentLength: "Content-Length",
	FieldTransferEncoding: "Transfer-Encoding", FieldKeepAlive: "Keep-Alive", FieldProxyConnection: "Proxy-Connection",
	FieldTE: "TE", FieldTrailer: "Trailer", FieldUpgrade: "Upgrade", FieldExpect: "Expect",
	FieldHTTP2Settings: "HTTP2-Settings", FieldForwarded: "Forwarded", FieldXForwardedFor: "X-Forwarded-For",
	FieldXForwardedProto: "X-Forwarded-Proto", FieldXForwardedHost: "X-Forwarded-Host",
	FieldXForwardedPort: "X-Forwarded-Port", FieldXForwardedPrefix: "X-Forwarded-Prefix",
	FieldXForwardedServer: "X-Forwarded-Server", FieldXForwardedSSL: "X-Forwarded-Ssl", FieldXRealIP: "X-Real-Ip",
	FieldVia: "Via", FieldDate: "Date", FieldServer: "Server", FieldXPoweredBy: "X-Powered-By", FieldLocation: "Location",
	FieldUserAgent: "User-Agent", FieldReferer: "Referer", FieldCookie: "Cookie", FieldAuthorization: "Authorization",
	FieldProxyAuthenticate: "Proxy-Authenticate", FieldProxyAuthorization: "Proxy-Authorization",
	FieldRetryAfter: "Retry-After", FieldContentType: "Content-Type", FieldSetCookie: "Set-Cookie",
}

// String returns the field's name as it is written on the wire; "" for FieldOther.
func (id FieldID) String() string { return fieldNames[id] }

// FieldIDOf finds the id of a field name without case; FieldOther when weir has no interest in it. It folds '_' to '-' only when
// the caller asked for it by normalising first: an alias must never become a managed field by accident.
func FieldIDOf(name []byte) FieldID {
	if len(name) < 2 || len(name) >= len(fieldsByLen) {
		return FieldOther
	}
	for _, id := range fieldsByLen[len(name)] {
		if EqualFold(name, fieldNames[id]) {
			return id
		}
	}
	return FieldOther
}

// fieldsByLen buckets the known names by length: two comparisons in the worst case decide a name, against a hash of each byte.
var fieldsByLen = func() (t [24][]FieldID) {
	for id := FieldHost; id < fieldCount; id++ {
		n := len(fieldNames[id])
		t[n] = append(t[n], id)
	}
	return
}()
