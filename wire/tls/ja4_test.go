package tls

import (
	"crypto/tls"
	"testing"
)

// The example of JA4's own document, and its parts for other clients.
func TestJA4(t *testing.T) {
	chrome := &tls.ClientHelloInfo{
		CipherSuites: []uint16{0x2a2a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035},
		Extensions: []uint16{0xdada, 0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012, 0x002b, 0xff01, 0x000b, 0x000a,
			0x0015, 0xcaca},
		SignatureSchemes:  []tls.SignatureScheme{0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601},
		SupportedVersions: []uint16{0xaaaa, 0x0304, 0x0303},
		SupportedProtos:   []string{"h2", "http/1.1"},
	}
	if got, want := string(AppendJA4(nil, chrome, 't')), "t13d1516h2_8daaf6152771_e5627efa2ab1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for want, h := range map[string]*tls.ClientHelloInfo{
		"t12i010000_": {CipherSuites: []uint16{0x002f}, SupportedVersions: []uint16{0x0303}},
		"t00i000000_": {},
		"t13i0001ab_": {SupportedVersions: []uint16{0x0304}, Extensions: []uint16{16}, SupportedProtos: []string{"ab"}},
		"t13i0001a3_": {SupportedVersions: []uint16{0x0304}, Extensions: []uint16{16}, SupportedProtos: []string{"\xab\xcd\x13"}},
	} {
		if got := string(AppendJA4(nil, h, 't')); got[:len(want)] != want {
			t.Errorf("got %s, want %s…", got, want)
		}
	}
}
