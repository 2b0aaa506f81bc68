package tls

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"slices"
	"strconv"
)

// AppendJA4 appends the fingerprint JA4 of a ClientHello: what kind of program asks, by what it offers and not by what it says of itself. transport is 't' for
// TCP, 'q' for QUIC. The method is FoxIO's, published at github.com/FoxIO-LLC/ja4/blob/main/technical_details/JA4.md.
func AppendJA4(dst []byte, hello *tls.ClientHelloInfo, transport byte) []byte {
	ciphers := withoutGrease(hello.CipherSuites)
	extensions := withoutGrease(hello.Extensions)
	dst = append(dst, transport)
	dst = append(dst, ja4Version(hello.SupportedVersions)...)
	if slices.Contains(extensions, extensionServerName) {
		dst = append(dst, 'd')
	} else {
		dst = append(dst, 'i')
	}
	dst = appendTwoDigits(dst, len(ciphers))
	dst = appendTwoDigits(dst, len(extensions))
	dst = appendALPN(dst, hello.SupportedProtos)

	slices.Sort(ciphers)
	dst = append(dst, '_')
	dst = appendCut(dst, appendHexList(nil, ciphers))

	extensions = slices.DeleteFunc(extensions, func(e uint16) bool { return e == extensionServerName || e == extensionALPN })
	slices.Sort(extensions)
	text := appendHexList(nil, extensions)
	if len(hello.SignatureSchemes) > 0 {
		schemes := make([]uint16, len(hello.SignatureSchemes))
		for i, s := range hello.SignatureSchemes {
			schemes[i] = uint16(s)
		}
		text = append(text, '_')
		text = appendHexList(text, withoutGrease(schemes))
	}
	dst = append(dst, '_')
	return appendCut(dst, text)
}

const (
	extensionServerName = 0
	extensionALPN       = 16
)

// withoutGrease leaves out the values that clients make up so that servers stay tolerant (RFC 8701).
func withoutGrease(list []uint16) []uint16 {
	return slices.DeleteFunc(slices.Clone(list), func(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff })
}

func ja4Version(versions []uint16) string {
	best := uint16(0)
	for _, v := range withoutGrease(versions) {
		best = max(best, v)
	}
	switch best {
	case tls.VersionTLS13:
		return "13"
	case tls.VersionTLS12:
		return "12"
	case tls.VersionTLS11:
		return "11"
	case tls.VersionTLS10:
		return "10"
	}
	return "00"
}

func appendTwoDigits(dst []byte, n int) []byte {
	n = min(n, 99)
	return append(dst, '0'+byte(n/10), '0'+byte(n%10))
}

// appendALPN appends the first and the last character of the first protocol, "00" without one.
func appendALPN(dst []byte, protocols []string) []byte {
	if len(protocols) == 0 || protocols[0] == "" {
		return append(dst, "00"...)
	}
	first, last := protocols[0][0], protocols[0][len(protocols[0])-1]
	if !isAlphanumeric(first) || !isAlphanumeric(last) {
		return append(dst, strconv.FormatUint(uint64(first>>4), 16)[0], strconv.FormatUint(uint64(last&15), 16)[0])
	}
	return append(dst, first, last)
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func appendHexList(dst []byte, list []uint16) []byte {
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = hex.AppendEncode(dst, []byte{byte(v >> 8), byte(v)})
	}
	return dst
}

// appendCut appends the first 12 digits of the hash of a text, zeros for an empty one.
func appendCut(dst, text []byte) []byte {
	if len(text) == 0 {
		return append(dst, "000000000000"...)
	}
	sum := sha256.Sum256(text)
	return hex.AppendEncode(dst, sum[:6])
}
