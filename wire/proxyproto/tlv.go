package proxyproto

import (
	"encoding/binary"
	"iter"
)

// The types of TLVs that the reference names in section 2.2.
const (
	TypeALPN      = 0x01
	TypeAuthority = 0x02 // the server name of TLS
	TypeCRC32C    = 0x03
	TypeNoop      = 0x04
	TypeUniqueID  = 0x05
	TypeSSL       = 0x20
	TypeNetNS     = 0x30

	typeSSLVersion = 0x21
	typeSSLCN      = 0x22
	typeSSLCipher  = 0x23
)

// TLVs are the type-length-values of a header, as on the wire and checked to be whole.
type TLVs []byte

const tlvFixed = 3

func (t TLVs) isWhole() bool {
	for len(t) > 0 {
		if len(t) < tlvFixed || len(t) < tlvFixed+int(binary.BigEndian.Uint16(t[1:])) {
			return false
		}
		t = t[tlvFixed+int(binary.BigEndian.Uint16(t[1:])):]
	}
	return true
}

// All goes through them in their order.
func (t TLVs) All() iter.Seq2[byte, []byte] {
	return func(yield func(byte, []byte) bool) {
		for len(t) >= tlvFixed {
			end := tlvFixed + int(binary.BigEndian.Uint16(t[1:]))
			if !yield(t[0], t[tlvFixed:end]) {
				return
			}
			t = t[end:]
		}
	}
}

// Of is the value of the first of that type; nil if there is none.
func (t TLVs) Of(kind byte) []byte {
	for k, value := range t.All() {
		if k == kind {
			return value
		}
	}
	return nil
}

// AppendTLV appends one.
func AppendTLV(dst []byte, kind byte, value []byte) []byte {
	dst = append(dst, kind)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(value)))
	return append(dst, value...)
}

// SSL is what a proxy says of the TLS that it has ended.
type SSL struct {
	Version    string // "TLSv1.3"
	Cipher     string
	CommonName string // of the client's certificate
	HasCert    bool   // the client gave a certificate, and it was verified
}

const (
	clientSSL      = 0x01
	clientCertConn = 0x02
	clientCertSess = 0x04
)

// AppendSSL appends the TLV of section 2.2.6.
func AppendSSL(dst []byte, s *SSL) []byte {
	client, verify := byte(clientSSL), byte(1)
	if s.HasCert {
		client, verify = client|clientCertConn|clientCertSess, 0
	}
	at := len(dst)
	// "The <verify> field will be zero if the client presented a certificate and it was successfully verified, and non-zero otherwise."
	dst = append(dst, TypeSSL, 0, 0, client, 0, 0, 0, verify)
	for i, text := range [...]string{s.Version, s.CommonName, s.Cipher} {
		if text != "" {
			dst = AppendTLV(dst, typeSSLVersion+byte(i), []byte(text))
		}
	}
	binary.BigEndian.PutUint16(dst[at+1:], uint16(len(dst)-at-tlvFixed))
	return dst
}

// ParseSSL reads the value of such a TLV; false when it is malformed, or says that the client did not come by TLS.
func ParseSSL(value []byte) (s SSL, ok bool) {
	if len(value) < 5 || value[0]&clientSSL == 0 || !TLVs(value[5:]).isWhole() {
		return s, false
	}
	sub := TLVs(value[5:])
	s.HasCert = value[0]&(clientCertConn|clientCertSess) != 0 && binary.BigEndian.Uint32(value[1:]) == 0
	s.Version, s.Cipher, s.CommonName = string(sub.Of(typeSSLVersion)), string(sub.Of(typeSSLCipher)), string(sub.Of(typeSSLCN))
	return s, true
}
