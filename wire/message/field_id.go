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
	FieldClientIP
	FieldXAzureClientIP
	FieldXAzureSocketIP
	FieldXRemoteIP
	FieldXRemoteAddr
	FieldXOriginatingIP
	FieldIncapClientIP
	FieldAliCDNRealIP
	FieldCDNSrcIP
	FieldFlyClientIP
	FieldDOConnectingIP
	FieldCFConnectingIPv6
	FieldCFPseudoIPv4
	FieldXNFClientConnectionIP
	FieldXVercelForwardedFor
	FieldXAppEngineUserIP
	FieldXClusterClient
	FieldXForwardedBy
	FieldXForwardedURI
	FieldXForwardedPath
	FieldXForwardedMethod
	FieldXOriginalURI
	FieldXOriginalMethod
	FieldXRealHost
	FieldXHTTPHostOverride
	FieldXHTTPS
	FieldXTLSClientCert
	FieldXForwardedTLSClientCert
	FieldXForwardedTLSClientCertInfo
	FieldXSSLCert
	FieldXSSLClientDN
	FieldXSSLClientSDN
	FieldXSSLClientCN
	FieldXSSLClientSHA1
	FieldSSLClientSDN
	FieldSSLClientDN
	FieldXClientVerify
	FieldXClientDN
	FieldXClientCertDN
	FieldXAmznMtlsClientcert
	FieldXAmznMtlsClientcertLeaf
	FieldXAmznMtlsClientcertSubject
	FieldXAmznMtlsClientcertIssuer
	FieldXAmznMtlsClientcertSerialNumber
	FieldXAmznMtlsClientcertValidity
	FieldXAmznOIDCIdentity
	FieldXGoogAuthenticatedUserEmail
	FieldXGoogAuthenticatedUserID
	FieldXMSClientPrincipal
	FieldXMSClientPrincipalID
	FieldXMSClientPrincipalName
	FieldXForwardedUser
	FieldXForwardedEmail
	FieldXForwardedGroups
	FieldXForwardedPreferredUsername
	FieldXAuthRequestUser
	FieldXAuthRequestEmail
	FieldXAuthRequestGroups
	FieldRemoteUser
	FieldRemoteGroups
	FieldXRemoteUser
	FieldXRemoteGroup
	FieldXAuthenticatedUser
	FieldXWebAuthUser
	FieldTailscaleUserLogin
	FieldXAuthRequestPreferredUsername
	FieldXAuthRequestAccessToken
	FieldXForwardedAccessToken
	FieldXAuthentikUsername
	FieldXAuthentikGroups
	FieldXAuthentikEmail
	FieldXAuthentikName
	FieldXAuthentikUID
	FieldXAuthentikEntitlements
	FieldXAuthentikJWT
	FieldCFAccessAuthenticatedUserEmail
	FieldCFAccessJWTAssertion
	FieldXPomeriumJWTAssertion
	FieldXPomeriumClaimEmail
	FieldXPomeriumClaimGroups
	FieldXPomeriumClaimName
	FieldXPomeriumClaimSub
	FieldXPomeriumClaimUser
	FieldXWebAuthEmail
	FieldXWebAuthName
	FieldXWebAuthGroups
	FieldXWebAuthRole
	FieldRemoteName
	FieldRemoteEmail
	FieldXGoogIAPJWTAssertion
	FieldXMSClientPrincipalIDP
	FieldXMSTokenAADAccessToken
	FieldXMSTokenAADIDToken
	FieldXAmznOIDCAccesstoken
	FieldXAmznOIDCData
	FieldOIDCAccessToken
	FieldOIDCIDToken
	FieldOIDCIDTokenPayload
	FieldOIDCClaimSub
	FieldOIDCClaimEmail
	FieldOIDCClaimName
	FieldOIDCClaimPreferredUsername
	FieldOIDCClaimGroups
	FieldOIDCClaimRoles
	FieldOIDCClaimUPN
	FieldXVouchUser
	FieldXVouchToken
	FieldXVouchIDPAccesstoken
	FieldXVouchIDPIdtoken
	FieldXVouchIDPClaimsEmail
	FieldXVouchIDPClaimsGroups
	FieldXVouchIDPClaimsName
	FieldXTokenSubject
	FieldXTokenUserName
	FieldXTokenUserEmail
	FieldXTokenUserRoles
	FieldTailscaleUserName
	FieldTailscaleUserProfilePic
	FieldTailscaleAppCapabilities
	FieldXRemoteName
	FieldXRemoteEmail
	FieldXRemoteGroups
	FieldSMUser
	FieldOAMRemoteUser
	FieldIVUser
	FieldIVGroups
	FieldIVCreds
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
	FieldContentLocation:                 "Content-Location",
	FieldLink:                            "Link",
	FieldRefresh:                         "Refresh",
	FieldAltSvc:                          "Alt-Svc",
	FieldXAspNetVersion:                  "X-AspNet-Version",
	FieldXAspNetMVCVersion:               "X-AspNetMvc-Version",
	FieldXFEServer:                       "X-FEServer",
	FieldXBEServer:                       "X-BEServer",
	FieldXCalculatedBETarget:             "X-CalculatedBETarget",
	FieldXDiagInfo:                       "X-DiagInfo",
	FieldXTargetBEServer:                 "X-TargetBEServer",
	FieldXMSServerFQDN:                   "X-MS-Server-Fqdn",
	FieldXServedBy:                       "X-Served-By",
	FieldXBackendServer:                  "X-Backend-Server",
	FieldXServer:                         "X-Server",
	FieldXServerName:                     "X-Server-Name",
	FieldXUpstream:                       "X-Upstream",
	FieldAccept:                          "Accept",
	FieldClientCert:                      "Client-Cert",
	FieldClientCertChain:                 "Client-Cert-Chain",
	FieldXForwardedClientCert:            "X-Forwarded-Client-Cert",
	FieldXClientCert:                     "X-Client-Cert",
	FieldXSSLClientCert:                  "X-SSL-Client-Cert",
	FieldSSLClientCert:                   "SSL-Client-Cert",
	FieldXSSLClientVerify:                "X-SSL-Client-Verify",
	FieldSSLClientVerify:                 "SSL-Client-Verify",
	FieldXARRClientCert:                  "X-ARR-ClientCert",
	FieldXARRSSL:                         "X-ARR-SSL",
	FieldTrueClientIP:                    "True-Client-IP",
	FieldXClientIP:                       "X-Client-IP",
	FieldXClusterClientIP:                "X-Cluster-Client-IP",
	FieldCFConnectingIP:                  "CF-Connecting-IP",
	FieldFastlyClientIP:                  "Fastly-Client-IP",
	FieldWLProxyClientIP:                 "WL-Proxy-Client-IP",
	FieldProxyClientIP:                   "Proxy-Client-IP",
	FieldXProxyUserIP:                    "X-ProxyUser-IP",
	FieldXEnvoyExternalAddress:           "X-Envoy-External-Address",
	FieldXOriginalForwardedFor:           "X-Original-Forwarded-For",
	FieldXForwarded:                      "X-Forwarded",
	FieldForwardedFor:                    "Forwarded-For",
	FieldXForwardedScheme:                "X-Forwarded-Scheme",
	FieldXForwardedProtocol:              "X-Forwarded-Protocol",
	FieldXScheme:                         "X-Scheme",
	FieldXURLScheme:                      "X-Url-Scheme",
	FieldFrontEndHTTPS:                   "Front-End-Https",
	FieldXOriginalURL:                    "X-Original-URL",
	FieldXRewriteURL:                     "X-Rewrite-URL",
	FieldXOriginalHost:                   "X-Original-Host",
	FieldXHost:                           "X-Host",
	FieldProxy:                           "Proxy",
	FieldClientIP:                        "Client-IP",
	FieldXAzureClientIP:                  "X-Azure-ClientIP",
	FieldXAzureSocketIP:                  "X-Azure-SocketIP",
	FieldXRemoteIP:                       "X-Remote-IP",
	FieldXRemoteAddr:                     "X-Remote-Addr",
	FieldXOriginatingIP:                  "X-Originating-IP",
	FieldIncapClientIP:                   "Incap-Client-IP",
	FieldAliCDNRealIP:                    "Ali-CDN-Real-IP",
	FieldCDNSrcIP:                        "CDN-Src-IP",
	FieldFlyClientIP:                     "Fly-Client-IP",
	FieldDOConnectingIP:                  "DO-Connecting-IP",
	FieldCFConnectingIPv6:                "CF-Connecting-IPv6",
	FieldCFPseudoIPv4:                    "CF-Pseudo-IPv4",
	FieldXNFClientConnectionIP:           "X-NF-Client-Connection-IP",
	FieldXVercelForwardedFor:             "X-Vercel-Forwarded-For",
	FieldXAppEngineUserIP:                "X-AppEngine-User-IP",
	FieldXClusterClient:                  "X-Cluster-Client",
	FieldXForwardedBy:                    "X-Forwarded-By",
	FieldXForwardedURI:                   "X-Forwarded-URI",
	FieldXForwardedPath:                  "X-Forwarded-Path",
	FieldXForwardedMethod:                "X-Forwarded-Method",
	FieldXOriginalURI:                    "X-Original-URI",
	FieldXOriginalMethod:                 "X-Original-Method",
	FieldXRealHost:                       "X-Real-Host",
	FieldXHTTPHostOverride:               "X-HTTP-Host-Override",
	FieldXHTTPS:                          "X-HTTPS",
	FieldXTLSClientCert:                  "X-TLS-Client-Cert",
	FieldXForwardedTLSClientCert:         "X-Forwarded-TLS-Client-Cert",
	FieldXForwardedTLSClientCertInfo:     "X-Forwarded-TLS-Client-Cert-Info",
	FieldXSSLCert:                        "X-SSL-Cert",
	FieldXSSLClientDN:                    "X-SSL-Client-DN",
	FieldXSSLClientSDN:                   "X-SSL-Client-S-DN",
	FieldXSSLClientCN:                    "X-SSL-Client-CN",
	FieldXSSLClientSHA1:                  "X-SSL-Client-SHA1",
	FieldSSLClientSDN:                    "SSL-Client-S-DN",
	FieldSSLClientDN:                     "SSL-Client-DN",
	FieldXClientVerify:                   "X-Client-Verify",
	FieldXClientDN:                       "X-Client-DN",
	FieldXClientCertDN:                   "X-Client-Cert-DN",
	FieldXAmznMtlsClientcert:             "X-Amzn-Mtls-Clientcert",
	FieldXAmznMtlsClientcertLeaf:         "X-Amzn-Mtls-Clientcert-Leaf",
	FieldXAmznMtlsClientcertSubject:      "X-Amzn-Mtls-Clientcert-Subject",
	FieldXAmznMtlsClientcertIssuer:       "X-Amzn-Mtls-Clientcert-Issuer",
	FieldXAmznMtlsClientcertSerialNumber: "X-Amzn-Mtls-Clientcert-Serial-Number",
	FieldXAmznMtlsClientcertValidity:     "X-Amzn-Mtls-Clientcert-Validity",
	FieldXAmznOIDCIdentity:               "X-Amzn-OIDC-Identity",
	FieldXGoogAuthenticatedUserEmail:     "X-Goog-Authenticated-User-Email",
	FieldXGoogAuthenticatedUserID:        "X-Goog-Authenticated-User-ID",
	FieldXMSClientPrincipal:              "X-MS-Client-Principal",
	FieldXMSClientPrincipalID:            "X-MS-Client-Principal-ID",
	FieldXMSClientPrincipalName:          "X-MS-Client-Principal-Name",
	FieldXForwardedUser:                  "X-Forwarded-User",
	FieldXForwardedEmail:                 "X-Forwarded-Email",
	FieldXForwardedGroups:                "X-Forwarded-Groups",
	FieldXForwardedPreferredUsername:     "X-Forwarded-Preferred-Username",
	FieldXAuthRequestUser:                "X-Auth-Request-User",
	FieldXAuthRequestEmail:               "X-Auth-Request-Email",
	FieldXAuthRequestGroups:              "X-Auth-Request-Groups",
	FieldRemoteUser:                      "Remote-User",
	FieldRemoteGroups:                    "Remote-Groups",
	FieldXRemoteUser:                     "X-Remote-User",
	FieldXRemoteGroup:                    "X-Remote-Group",
	FieldXAuthenticatedUser:              "X-Authenticated-User",
	FieldXWebAuthUser:                    "X-WebAuth-User",
	FieldTailscaleUserLogin:              "Tailscale-User-Login",
	FieldXAuthRequestPreferredUsername:   "X-Auth-Request-Preferred-Username",
	FieldXAuthRequestAccessToken:         "X-Auth-Request-Access-Token",
	FieldXForwardedAccessToken:           "X-Forwarded-Access-Token",
	FieldXAuthentikUsername:              "X-Authentik-Username",
	FieldXAuthentikGroups:                "X-Authentik-Groups",
	FieldXAuthentikEmail:                 "X-Authentik-Email",
	FieldXAuthentikName:                  "X-Authentik-Name",
	FieldXAuthentikUID:                   "X-Authentik-Uid",
	FieldXAuthentikEntitlements:          "X-Authentik-Entitlements",
	FieldXAuthentikJWT:                   "X-Authentik-Jwt",
	FieldCFAccessAuthenticatedUserEmail:  "Cf-Access-Authenticated-User-Email",
	FieldCFAccessJWTAssertion:            "Cf-Access-Jwt-Assertion",
	FieldXPomeriumJWTAssertion:           "X-Pomerium-Jwt-Assertion",
	FieldXPomeriumClaimEmail:             "X-Pomerium-Claim-Email",
	FieldXPomeriumClaimGroups:            "X-Pomerium-Claim-Groups",
	FieldXPomeriumClaimName:              "X-Pomerium-Claim-Name",
	FieldXPomeriumClaimSub:               "X-Pomerium-Claim-Sub",
	FieldXPomeriumClaimUser:              "X-Pomerium-Claim-User",
	FieldXWebAuthEmail:                   "X-WebAuth-Email",
	FieldXWebAuthName:                    "X-WebAuth-Name",
	FieldXWebAuthGroups:                  "X-WebAuth-Groups",
	FieldXWebAuthRole:                    "X-WebAuth-Role",
	FieldRemoteName:                      "Remote-Name",
	FieldRemoteEmail:                     "Remote-Email",
	FieldXGoogIAPJWTAssertion:            "X-Goog-Iap-Jwt-Assertion",
	FieldXMSClientPrincipalIDP:           "X-MS-Client-Principal-IDP",
	FieldXMSTokenAADAccessToken:          "X-MS-Token-AAD-Access-Token",
	FieldXMSTokenAADIDToken:              "X-MS-Token-AAD-ID-Token",
	FieldXAmznOIDCAccesstoken:            "X-Amzn-OIDC-Accesstoken",
	FieldXAmznOIDCData:                   "X-Amzn-OIDC-Data",
	FieldOIDCAccessToken:                 "OIDC-Access-Token",
	FieldOIDCIDToken:                     "OIDC-ID-Token",
	FieldOIDCIDTokenPayload:              "OIDC-ID-Token-Payload",
	FieldOIDCClaimSub:                    "OIDC-Claim-Sub",
	FieldOIDCClaimEmail:                  "OIDC-Claim-Email",
	FieldOIDCClaimName:                   "OIDC-Claim-Name",
	FieldOIDCClaimPreferredUsername:      "OIDC-Claim-Preferred-Username",
	FieldOIDCClaimGroups:                 "OIDC-Claim-Groups",
	FieldOIDCClaimRoles:                  "OIDC-Claim-Roles",
	FieldOIDCClaimUPN:                    "OIDC-Claim-Upn",
	FieldXVouchUser:                      "X-Vouch-User",
	FieldXVouchToken:                     "X-Vouch-Token",
	FieldXVouchIDPAccesstoken:            "X-Vouch-Idp-Accesstoken",
	FieldXVouchIDPIdtoken:                "X-Vouch-Idp-Idtoken",
	FieldXVouchIDPClaimsEmail:            "X-Vouch-Idp-Claims-Email",
	FieldXVouchIDPClaimsGroups:           "X-Vouch-Idp-Claims-Groups",
	FieldXVouchIDPClaimsName:             "X-Vouch-Idp-Claims-Name",
	FieldXTokenSubject:                   "X-Token-Subject",
	FieldXTokenUserName:                  "X-Token-User-Name",
	FieldXTokenUserEmail:                 "X-Token-User-Email",
	FieldXTokenUserRoles:                 "X-Token-User-Roles",
	FieldTailscaleUserName:               "Tailscale-User-Name",
	FieldTailscaleUserProfilePic:         "Tailscale-User-Profile-Pic",
	FieldTailscaleAppCapabilities:        "Tailscale-App-Capabilities",
	FieldXRemoteName:                     "X-Remote-Name",
	FieldXRemoteEmail:                    "X-Remote-Email",
	FieldXRemoteGroups:                   "X-Remote-Groups",
	FieldSMUser:                          "SM-User",
	FieldOAMRemoteUser:                   "OAM-Remote-User",
	FieldIVUser:                          "IV-User",
	FieldIVGroups:                        "IV-Groups",
	FieldIVCreds:                         "IV-Creds",
	FieldCDNLoop:                         "CDN-Loop",
	FieldDestination:                     "Destination",
	FieldOrigin:                          "Origin",
	FieldIf:                              "If",
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
	for id != FieldOther && string(name) != fieldNames[id] && !EqualFold(name, fieldNames[id]) {
		id = fieldsBehind[id]
	}
	return id
}

const maxFieldName = 36

// fieldHash tells the names that most requests have apart by length and four letters, so that one comparison decides.
func fieldHash(name []byte) uint16 {
	n := len(name)
	return (uint16(name[0]|0x20)*450 + uint16(name[n-2]|0x20)*872 + uint16(name[n/4]|0x20)*551 + uint16(name[n/2]|0x20)*12 + uint16(n)*465) & 1023
}

// fieldsByHash has the first field of each hash, and fieldsBehind the next one of the same hash.
var fieldsByHash, fieldsBehind = newFieldTable()

func newFieldTable() (first [1024]FieldID, behind [fieldCount]FieldID) {
	for id := fieldCount - 1; id > FieldOther; id-- { // the first rows come first
		name := fieldNames[id]
		if len(name) > maxFieldName {
			panic("BUG: field " + name + " is longer than maxFieldName")
		}
		at := fieldHash([]byte(name))
		first[at], behind[id] = id, first[at]
	}
	return
}

// claims are the fields besides Forwarded and X-Forwarded-* in which proxies tell servers who the client is, what its certificate says, as whom it has signed in, or what it has asked
// for: those from FieldClientCert to before FieldCDNLoop. Servers believe them, so only proxies that are trusted may say them.
var claims = func() (ids []FieldID) {
	for id := FieldClientCert; id < FieldCDNLoop; id++ {
		ids = append(ids, id)
	}
	return
}()

// Claims are the fields in which only proxies that are trusted may speak.
func Claims() []FieldID { return claims }
