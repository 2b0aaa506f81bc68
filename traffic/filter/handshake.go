package filter

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"net/netip"
	"strings"
)

// Handshake is what there is to know of a client connection's TLS. Owned by its loop.
type Handshake struct {
	Version     uint16
	Suite       uint16
	ServerName  string            // that the client asked for
	Protocol    string            // by ALPN
	Auth        string            // names the authorities whose certificates the client was asked for; "": for none
	Certificate *x509.Certificate // of the client, checked; nil: it has shown none
	Print       []byte            // JA4 of the ClientHello; nil where nobody wants it
	Early       bool              // the request may have come as early data, which anybody can send again

	fingerprint []byte // made when somebody wants it
	subject     string
}

// Policy is what requests for a host need of their connection's TLS. Immutable.
type Policy struct {
	Version uint16 // least
	Auth    string // which authorities' certificate; "": none is needed
	Require bool   // with Auth: the client must have shown one; else it must have been asked

	AllowsClear bool // any connection will do
	LetsInClear bool // clear text is enough: whether it is accepted is the listener's choice
}

// Allows reports whether a connection is good enough; nil is one in clear text.
func (p *Policy) Allows(h *Handshake) bool {
	if p.AllowsClear {
		return true
	}
	if h == nil {
		return p.LetsInClear
	}
	if h.Version < p.Version {
		return false
	}
	if p.Auth == "" {
		return true
	}
	return h.Auth == p.Auth && (h.Certificate != nil || !p.Require)
}

// appendTLS appends the value of a variable of the handshake; none in clear text.
func (to place) appendTLS(dst []byte, v variable, h *Handshake) []byte {
	if h == nil {
		return dst
	}
	switch v {
	case varTLSVersion:
		return append(dst, versionName(h.Version)...)
	case varTLSCipher:
		return append(dst, tls.CipherSuiteName(h.Suite)...)
	case varTLSServerName:
		return to.appendText(dst, []byte(h.ServerName))
	case varJA4:
		return append(dst, h.Print...)
	case varCertVerified:
		if h.Certificate != nil {
			return append(dst, "yes"...)
		}
		return append(dst, "no"...)
	}
	if h.Certificate == nil {
		return dst
	}
	return to.appendText(dst, []byte(h.certificateField(v)))
}

// TLSNames are the names of a version and a suite as other programs have them: "TLSv1.3", "TLS_AES_128_GCM_SHA256".
func TLSNames(version, suite uint16) (string, string) {
	return "TLSv" + versionName(version), tls.CipherSuiteName(suite)
}

func versionName(v uint16) string {
	switch v {
	case tls.VersionTLS13:
		return "1.3"
	case tls.VersionTLS12:
		return "1.2"
	}
	return ""
}

// certificateField is a field of the client's certificate.
func (h *Handshake) certificateField(v variable) string {
	c := h.Certificate
	switch v {
	case varCertSubject:
		if h.subject == "" {
			h.subject = c.Subject.String()
		}
		return h.subject
	case varCertIssuer:
		return c.Issuer.String()
	case varCertSerial:
		return hex.EncodeToString(c.SerialNumber.Bytes())
	case varCertSAN:
		return strings.Join(h.names(), ",")
	case varCertFingerprint:
		if h.fingerprint == nil {
			sum := sha256.Sum256(c.Raw)
			h.fingerprint = hex.AppendEncode(nil, sum[:])
		}
		return string(h.fingerprint)
	case varCert:
		// RFC 9440 section 2.1: the DER encoding as a byte sequence of structured fields.
		return ":" + base64.StdEncoding.EncodeToString(c.Raw) + ":"
	}
	return ""
}

// names are the alternative names of the client's certificate.
func (h *Handshake) names() (list []string) {
	c := h.Certificate
	list = append(list, c.DNSNames...)
	list = append(list, c.EmailAddresses...)
	for _, ip := range c.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); ok {
			list = append(list, a.Unmap().String())
		}
	}
	for _, u := range c.URIs {
		list = append(list, u.String())
	}
	return list
}

// AppendSubject appends the subject of the client's certificate, if it has shown one.
func (h *Handshake) AppendSubject(dst []byte) []byte {
	if h.Certificate == nil {
		return dst
	}
	return append(dst, h.certificateField(varCertSubject)...)
}

// CertificateField is a field of the client's certificate by its name in the configuration, as match.client_cert has it; san may have several.
func (h *Handshake) CertificateField(name string) []string {
	if h == nil || h.Certificate == nil {
		return nil
	}
	if name == "san" {
		return h.names()
	}
	return []string{h.certificateField(variableOf("client_cert_" + name))}
}

// CertificateFields are the names that CertificateField knows.
func CertificateFields() []string {
	return []string{"fingerprint", "issuer", "san", "serial", "subject"}
}
