package proxyproto

import (
	"crypto/tls"
	"strings"
)

// Ended is what a proxy knows of the TLS that it has ended.
type Ended struct {
	Protocol   string // by ALPN
	ServerName string
	Version    uint16
	Suite      uint16
	HasCert    bool // the client has shown a certificate, which was checked
	CommonName string
}

// AppendEnded appends what there is to tell of TLS, and of what another proxy has told the rest: the first TLV of a type counts.
func AppendEnded(dst []byte, e *Ended, told TLVs) []byte {
	from := len(dst)
	if e.Protocol != "" {
		dst = AppendTLV(dst, TypeALPN, []byte(e.Protocol))
	}
	if e.ServerName != "" {
		dst = AppendTLV(dst, TypeAuthority, []byte(e.ServerName))
	}
	// The reference's example, and what servers look for, is "TLSv1.3"; crypto/tls writes "TLS 1.3".
	dst = AppendSSL(dst, &SSL{Version: strings.Replace(tls.VersionName(e.Version), "TLS ", "TLSv", 1), Cipher: tls.CipherSuiteName(e.Suite),
		HasCert: e.HasCert, CommonName: e.CommonName})
	for kind, value := range told.All() {
		if TLVs(dst[from:]).Of(kind) == nil {
			dst = AppendTLV(dst, kind, value)
		}
	}
	return dst
}
