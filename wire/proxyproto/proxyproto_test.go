package proxyproto

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
)

func ends(t testing.TB, source, destination string) Header {
	t.Helper()
	return Header{Source: netip.MustParseAddrPort(source), Destination: netip.MustParseAddrPort(destination)}
}

func TestVersion1AsTheReferenceHasIt(t *testing.T) {
	for text, want := range map[string]struct{ source, destination string }{
		"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n":      {"192.168.0.1:56324", "192.168.0.11:443"},
		"PROXY TCP4 255.255.255.255 255.255.255.255 0 65535\r\n": {"255.255.255.255:0", "255.255.255.255:65535"},
		"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n":             {"[2001:db8::1]:1", "[2001:db8::2]:2"},
	} {
		h, n, err := Parse([]byte(text + "GET /"))
		if err != nil || n != len(text) || h.Source.String() != want.source || h.Destination.String() != want.destination || h.IsLocal || h.Version != 1 {
			t.Errorf("%q: %+v %d %v", text, h, n, err)
		}
		for cut := range len(text) {
			if _, n, err := Parse([]byte(text[:cut])); n != 0 || err != nil {
				t.Errorf("%q: %d %v, want to wait for more", text[:cut], n, err)
			}
		}
	}
	for _, text := range []string{"PROXY UNKNOWN\r\n", "PROXY UNKNOWN ffff::1 2 3 whatever\r\n"} {
		if h, n, err := Parse([]byte(text)); !h.IsLocal || n != len(text) || err != nil {
			t.Errorf("%q: %+v %d %v", text, h, n, err)
		}
	}
}

func TestWhatIsNoHeaderIsAFault(t *testing.T) {
	for _, text := range []string{
		"GET / HTTP/1.1\r\n", "\x16\x03\x01", "PROXX", "\r\nQUIT", "\r\n\r\n\x00\r\nQUIT\r",
		"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n", "PROXY TCP4 ::1 ::1 1 2\r\n",
		"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
		"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", "PROXY UNKNOWN " + strings.Repeat("x", 100), "PROXY " + strings.Repeat("x", 101),
		signature + "\x31\x11\x00\x00", signature + "\x22\x11\x00\x00", signature + "\x21\x11\x00\x0b" + strings.Repeat("x", 11),
		signature + "\x21\x11\xff\xff", signature + "\x21\x77\x00\x02ab", signature + "\x21\x11\x00\x0e" + strings.Repeat("x", 12) + "\x01\x00",
		signature + "\x21\x11\x00\x0f" + strings.Repeat("x", 12) + "\x01\x00\x01",
		signature + "\x21\x11\x00\x13" + strings.Repeat("x", 12) + "\x03\x00\x04abcd",
	} {
		if h, n, err := Parse([]byte(text)); err == nil {
			t.Errorf("%q: %+v %d", text, h, n)
		}
	}
}

func TestVersion2ByteForByte(t *testing.T) {
	h := ends(t, "127.0.0.1:41230", "127.0.0.1:7001")
	h.TLVs = AppendTLV(nil, TypeAuthority, []byte("a.example"))
	raw := AppendV2(nil, &h)
	const want = "0d0a0d0a000d0a515549540a2111001f7f0000017f000001a10e1b5902000961" + "2e6578616d706c65030004"
	if got := hex.EncodeToString(raw[:len(raw)-4]); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	for _, pair := range [][2]string{{"1.2.3.4:5", "6.7.8.9:10"}, {"[2001:db8::1]:5", "[2001:db8::2]:6"}, {"1.2.3.4:5", "[2001:db8::2]:6"}} {
		h := ends(t, pair[0], pair[1])
		got, n, err := Parse(AppendV1(nil, h.Source, h.Destination))
		if err != nil || n == 0 || got.Source != h.Source || got.Destination != h.Destination {
			t.Errorf("version 1: %+v %v", got, err)
		}
		h.TLVs = AppendTLV(AppendTLV(AppendTLV(nil, TypeUniqueID, []byte("id-1")), TypeNoop, []byte("xxx")), TypeALPN, []byte("h2"))
		h.TLVs = AppendSSL(h.TLVs, &SSL{Version: "TLSv1.3", Cipher: "TLS_AES_128_GCM_SHA256", CommonName: "someone", HasCert: true})
		raw := AppendV2(nil, &h)
		got, n, err = Parse(append(raw, "tail"...))
		if err != nil || n != len(raw) || got.Source != h.Source || got.Destination != h.Destination {
			t.Fatalf("version 2: %+v %v", got, err)
		}
		if string(got.TLVs.Of(TypeUniqueID)) != "id-1" || string(got.TLVs.Of(TypeALPN)) != "h2" || got.TLVs.Of(TypeNoop) != nil {
			t.Errorf("TLVs: %q", got.TLVs)
		}
		ssl, ok := ParseSSL(got.TLVs.Of(TypeSSL))
		if !ok || ssl != (SSL{"TLSv1.3", "TLS_AES_128_GCM_SHA256", "someone", true}) {
			t.Errorf("%+v %v", ssl, ok)
		}
		for i := range raw {
			broken := bytes.Clone(raw)
			broken[i] ^= 0x40
			if i == len(raw)-7 {
				continue // a checksum of another type is none
			}
			if h, n, err := Parse(broken); err == nil && n == len(raw) {
				t.Errorf("a flipped bit at %d goes unnoticed: %+v", i, h)
			}
		}
	}
}

func TestOwnAndUnknownConnectionsHaveNoAddresses(t *testing.T) {
	for _, raw := range []string{signature + "\x20\x11\x00\x0c" + strings.Repeat("x", 12), signature + "\x21\x00\x00\x00",
		signature + "\x21\x31\x00\xd8" + strings.Repeat("x", 216)} {
		h, n, err := Parse([]byte(raw))
		if err != nil || n != len(raw) || !h.IsLocal || h.Source.IsValid() || h.Destination.IsValid() {
			t.Errorf("%q: %+v %d %v", raw, h, n, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	h := Header{Source: netip.MustParseAddrPort("1.2.3.4:5"), Destination: netip.MustParseAddrPort("[2001:db8::1]:6"), TLVs: AppendTLV(nil, TypeUniqueID, []byte("x"))}
	f.Add(AppendV2(nil, &h))
	f.Add(AppendV1(nil, h.Source, h.Destination))
	f.Add([]byte("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\nrest"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := Parse(b)
		if n > len(b) || n > SizeMax || err != nil && n != 0 {
			t.Fatalf("%d of %d bytes, %v", n, len(b), err)
		}
		if n == 0 {
			return
		}
		// More bytes change nothing, fewer are never enough.
		if _, m, err := Parse(append(bytes.Clone(b[:n]), 'x')); m != n || err != nil {
			t.Fatalf("%d with more bytes, %v", m, err)
		}
		if _, m, err := Parse(b[:n-1]); m != 0 || err != nil {
			t.Fatalf("%d with a byte less, %v", m, err)
		}
		again, _, err := Parse(AppendV2(nil, &h))
		if err != nil || again.Source != h.Source || again.Destination != h.Destination || again.IsLocal != (h.IsLocal || !h.Source.IsValid()) {
			t.Fatalf("%+v became %+v, %v", h, again, err)
		}
	})
}
