package filter

import (
	"maps"
	"slices"
	"strconv"
)

// variable is a word that may stand in braces.
type variable uint8

const (
	none variable = iota
	varHost
	varPath
	varQuery
	varURI
	varScheme
	varMethod
	varPort
	varClientIP
	varDestIP
	varDestPort
	varHeader
	varGroup
	varTLSVersion
	varTLSCipher
	varTLSServerName
	varJA4
	varCert
	varCertFingerprint
	varCertIssuer
	varCertSAN
	varCertSerial
	varCertSubject
	varCertVerified
)

// ofTLS are the variables that a handshake gives.
var ofTLS = map[string]variable{
	"tls_version": varTLSVersion, "tls_cipher": varTLSCipher, "tls_server_name": varTLSServerName, "ja4": varJA4,
	"client_cert": varCert, "client_cert_fingerprint": varCertFingerprint, "client_cert_issuer": varCertIssuer, "client_cert_san": varCertSAN,
	"client_cert_serial": varCertSerial, "client_cert_subject": varCertSubject, "client_cert_verified": varCertVerified,
}

// Variables are the names that a template may have in braces; header:NAME besides.
func Variables() []string {
	names := append(slices.Collect(maps.Keys(ofTLS)), "client_ip", "dest_ip", "dest_port", "host", "method", "path", "port", "query", "scheme", "uri")
	slices.Sort(names)
	return names
}

func variableOf(name string) variable {
	switch name {
	case "host":
		return varHost
	case "path":
		return varPath
	case "query":
		return varQuery
	case "uri":
		return varURI
	case "scheme":
		return varScheme
	case "method":
		return varMethod
	case "port":
		return varPort
	case "client_ip":
		return varClientIP
	case "dest_ip":
		return varDestIP
	case "dest_port":
		return varDestPort
	}
	return ofTLS[name]
}

// appendValue appends the value of a variable. What comes of the request's own path brings its slashes and encodings with it.
func (to place) appendValue(dst []byte, p *part, f *Facts) []byte {
	switch p.variable {
	case varHost:
		return to.appendText(dst, f.Host)
	case varPath:
		return to.appendOwnPath(dst, f.Path)
	case varQuery:
		if to == inQuery {
			return appendQueryBytes(dst, f.Query)
		}
		return to.appendText(dst, f.Query)
	case varURI:
		dst = to.appendOwnPath(dst, f.Path)
		if f.HasQuery {
			dst = to.appendText(dst, questionMark)
			dst = to.appendText(dst, f.Query)
		}
	case varScheme:
		return append(dst, f.Scheme...)
	case varMethod:
		return to.appendText(dst, f.Method)
	case varPort:
		return to.appendText(dst, f.Port)
	case varClientIP:
		return to.appendClient(dst, f)
	case varDestIP, varDestPort:
		return to.appendDestination(dst, p.variable, f)
	case varHeader:
		if f.Field != nil {
			return to.appendText(dst, f.Field(p.name))
		}
	case varGroup:
		switch {
		case p.group >= len(f.Groups):
		case to == inParameter:
			return appendOneParameter(dst, f.Groups[p.group]) // a part of the path, whose encodings mean the same here
		default:
			return to.appendOwnPath(dst, f.Groups[p.group])
		}
	default:
		return to.appendTLS(dst, p.variable, f.TLS)
	}
	return dst
}

var questionMark = []byte("?")

func (to place) appendClient(dst []byte, f *Facts) []byte {
	if !f.Client.IsValid() {
		return dst
	}
	var text [64]byte
	return to.appendText(dst, f.Client.WithZone("").AppendTo(text[:0]))
}

func (to place) appendText(dst, value []byte) []byte {
	if to == inField {
		return appendSafe(dst, value)
	}
	return appendEncoded(dst, value)
}

func (to place) appendOwnPath(dst, value []byte) []byte {
	switch to {
	case inPath:
		return appendPathBytes(dst, value)
	case inParameter:
		return appendEncoded(dst, value)
	case inQuery:
		return appendOneParameter(dst, value)
	}
	return appendSafe(dst, value)
}

// appendQueryBytes encodes the bytes that a query may not have.
func appendQueryBytes(dst, value []byte) []byte {
	for _, c := range value {
		if c <= ' ' || c >= 0x7f || c == '#' || c == '"' || c == '<' || c == '>' || c == '\\' {
			dst = appendPercent(dst, c)
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}

// appendOneParameter appends what comes of a path as a part of a parameter: its encodings stay, and what would end the parameter is encoded.
func appendOneParameter(dst, value []byte) []byte {
	for _, c := range value {
		switch {
		case c == '&' || c == ';' || c == '+' || c == '=' || c == '?' || c == '#' || c <= ' ' || c >= 0x7f || c == '"' || c == '<' || c == '>' || c == '\\':
			dst = appendPercent(dst, c)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// appendSafe leaves out the bytes that could end a field or a line.
func appendSafe(dst, value []byte) []byte {
	for _, c := range value {
		if c >= ' ' && c != 0x7f || c == '\t' {
			dst = append(dst, c)
		}
	}
	return dst
}

// appendPathBytes encodes the bytes that a path may not have, and leaves encodings as they are.
func appendPathBytes(dst, value []byte) []byte {
	for _, c := range value {
		if c <= ' ' || c >= 0x7f || c == '?' || c == '#' || c == '"' || c == '<' || c == '>' || c == '\\' {
			dst = appendPercent(dst, c)
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}

// appendEncoded encodes all bytes but the unreserved ones (RFC 3986 section 2.3).
func appendEncoded(dst, value []byte) []byte {
	for _, c := range value {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~' {
			dst = append(dst, c)
		} else {
			dst = appendPercent(dst, c)
		}
	}
	return dst
}

func appendPercent(dst []byte, c byte) []byte {
	const hex = "0123456789ABCDEF"
	return append(dst, '%', hex[c>>4], hex[c&15])
}

func (to place) appendDestination(dst []byte, v variable, f *Facts) []byte {
	if f.Local == nil {
		return dst
	}
	local := f.Local()
	switch {
	case !local.IsValid():
		return dst
	case v == varDestPort:
		return strconv.AppendUint(dst, uint64(local.Port()), 10)
	}
	var text [64]byte
	return to.appendText(dst, local.Addr().Unmap().WithZone("").AppendTo(text[:0]))
}
