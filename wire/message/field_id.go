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
	FieldWWWAuthenticate
	FieldAcceptEncoding
	FieldIfMatch
	FieldIfNoneMatch
	FieldIfModifiedSince
	FieldIfUnmodifiedSince
	FieldIfRange
	FieldRange
	FieldContentLocation
	FieldLink
	FieldRefresh
	FieldAltSvc
	FieldXAspNetVersion
	FieldXAspNetMVCVersion
	FieldXFEServer
	FieldXBEServer
	FieldXCalculatedBETarget
	FieldXDiagInfo
	FieldXTargetBEServer
	FieldXMSServerFQDN
	FieldXServedBy
	FieldXBackendServer
	FieldXServer
	FieldXServerName
	FieldXUpstream
	FieldAccept
	FieldClientCert
	FieldClientCertChain
	FieldXForwardedClientCert
	FieldXClientCert
	FieldXSSLClientCert
	FieldSSLClientCert
	FieldXSSLClientVerify
	FieldSSLClientVerify
	FieldXARRClientCert
	FieldXARRSSL
	FieldTrueClientIP
	FieldXClientIP
	FieldXClusterClientIP
	FieldCFConnectingIP
	FieldFastlyClientIP
	FieldWLProxyClientIP
	FieldProxyClientIP
	FieldXProxyUserIP
	FieldXEnvoyExternalAddress
	FieldXOriginalForwardedFor
	FieldXForwarded
	FieldForwardedFor
	FieldXForwardedScheme
	FieldXForwardedProtocol
	FieldXScheme
	FieldXURLScheme
	FieldFrontEndHTTPS
	FieldXOriginalURL
	FieldXRewriteURL
	FieldXOriginalHost
	FieldXHost
	FieldProxy
	FieldCDNLoop
	FieldDestination
	FieldOrigin
	FieldIf
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
	FieldWWWAuthenticate: "WWW-Authenticate", FieldAcceptEncoding: "Accept-Encoding", FieldIfMatch: "If-Match",
	FieldIfNoneMatch: "If-None-Match", FieldIfModifiedSince: "If-Modified-Since", FieldIfUnmodifiedSince: "If-Unmodified-Since",
	FieldIfRange: "If-Range", FieldRange: "Range",
	FieldContentLocation:       "Content-Location",
	FieldLink:                  "Link",
	FieldRefresh:               "Refresh",
	FieldAltSvc:                "Alt-Svc",
	FieldXAspNetVersion:        "X-AspNet-Version",
	FieldXAspNetMVCVersion:     "X-AspNetMvc-Version",
	FieldXFEServer:             "X-FEServer",
	FieldXBEServer:             "X-BEServer",
	FieldXCalculatedBETarget:   "X-CalculatedBETarget",
	FieldXDiagInfo:             "X-DiagInfo",
	FieldXTargetBEServer:       "X-TargetBEServer",
	FieldXMSServerFQDN:         "X-MS-Server-Fqdn",
	FieldXServedBy:             "X-Served-By",
	FieldXBackendServer:        "X-Backend-Server",
	FieldXServer:               "X-Server",
	FieldXServerName:           "X-Server-Name",
	FieldXUpstream:             "X-Upstream",
	FieldAccept:                "Accept",
	FieldClientCert:            "Client-Cert",
	FieldClientCertChain:       "Client-Cert-Chain",
	FieldXForwardedClientCert:  "X-Forwarded-Client-Cert",
	FieldXClientCert:           "X-Client-Cert",
	FieldXSSLClientCert:        "X-SSL-Client-Cert",
	FieldSSLClientCert:         "SSL-Client-Cert",
	FieldXSSLClientVerify:      "X-SSL-Client-Verify",
	FieldSSLClientVerify:       "SSL-Client-Verify",
	FieldXARRClientCert:        "X-ARR-ClientCert",
	FieldXARRSSL:               "X-ARR-SSL",
	FieldTrueClientIP:          "True-Client-IP",
	FieldXClientIP:             "X-Client-IP",
	FieldXClusterClientIP:      "X-Cluster-Client-IP",
	FieldCFConnectingIP:        "CF-Connecting-IP",
	FieldFastlyClientIP:        "Fastly-Client-IP",
	FieldWLProxyClientIP:       "WL-Proxy-Client-IP",
	FieldProxyClientIP:         "Proxy-Client-IP",
	FieldXProxyUserIP:          "X-ProxyUser-IP",
	FieldXEnvoyExternalAddress: "X-Envoy-External-Address",
	FieldXOriginalForwardedFor: "X-Original-Forwarded-For",
	FieldXForwarded:            "X-Forwarded",
	FieldForwardedFor:          "Forwarded-For",
	FieldXForwardedScheme:      "X-Forwarded-Scheme",
	FieldXForwardedProtocol:    "X-Forwarded-Protocol",
	FieldXScheme:               "X-Scheme",
	FieldXURLScheme:            "X-Url-Scheme",
	FieldFrontEndHTTPS:         "Front-End-Https",
	FieldXOriginalURL:          "X-Original-URL",
	FieldXRewriteURL:           "X-Rewrite-URL",
	FieldXOriginalHost:         "X-Original-Host",
	FieldXHost:                 "X-Host",
	FieldProxy:                 "Proxy",
	FieldCDNLoop:               "CDN-Loop",
	FieldDestination:           "Destination",
	FieldOrigin:                "Origin",
	FieldIf:                    "If",
}

// String returns the field's name as it is written on the wire; "" for FieldOther.
func (id FieldID) String() string { return fieldNames[id] }

// FieldIDOf finds the id of a field name without case; FieldOther when weir has no interest in it. It does not fold '_' to '-': an alias
// must never become a managed field by accident.
func FieldIDOf(name []byte) FieldID {
	if len(name) < 2 || len(name) > maxFieldName {
		return FieldOther
	}
	id := fieldsByHash[fieldHash(name)]
	if id == FieldOther || string(name) != fieldNames[id] && !EqualFold(name, fieldNames[id]) {
		return FieldOther
	}
	return id
}

const maxFieldName = 24

// fieldHash tells all known names apart by length and four letters, so that one comparison decides. newFieldTable panics when a new
// name collides: then another letter has to go in.
func fieldHash(name []byte) uint16 {
	n := len(name)
	return (uint16(name[0]|0x20)*450 + uint16(name[n-2]|0x20)*872 + uint16(name[n/4]|0x20)*551 + uint16(name[n/2]|0x20)*12 + uint16(n)*465) & 1023
}

var fieldsByHash = newFieldTable()

func newFieldTable() (t [1024]FieldID) {
	for id := FieldHost; id < fieldCount; id++ {
		name := fieldNames[id]
		at := fieldHash([]byte(name))
		if t[at] != FieldOther || len(name) > maxFieldName {
			panic("BUG: field " + name + " needs another hash than " + fieldNames[t[at]])
		}
		t[at] = id
	}
	return
}

// claims are the fields besides Forwarded and X-Forwarded-* in which proxies tell servers who the client is, what its certificate says, or
// what it has asked for. Servers believe them, so only proxies that are trusted may say them.
var claims = [...]FieldID{FieldClientCert, FieldClientCertChain, FieldXForwardedClientCert, FieldXClientCert, FieldXSSLClientCert, FieldSSLClientCert, FieldXSSLClientVerify, FieldSSLClientVerify, FieldXARRClientCert, FieldXARRSSL, FieldTrueClientIP, FieldXClientIP, FieldXClusterClientIP, FieldCFConnectingIP, FieldFastlyClientIP, FieldWLProxyClientIP, FieldProxyClientIP, FieldXProxyUserIP, FieldXEnvoyExternalAddress, FieldXOriginalForwardedFor, FieldXForwarded, FieldForwardedFor, FieldXForwardedScheme, FieldXForwardedProtocol, FieldXScheme, FieldXURLScheme, FieldFrontEndHTTPS, FieldXOriginalURL, FieldXRewriteURL, FieldXOriginalHost, FieldXHost, FieldProxy}

// Claims are the fields in which only proxies that are trusted may speak.
func Claims() []FieldID { return claims[:] }
