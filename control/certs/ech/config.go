package ech

import (
	"encoding/binary"

	"golang.org/x/crypto/cryptobyte"
)

// Numbers of RFC 9849 section 4 and RFC 9180 section 7.
const (
	version  = 0xfe0d
	x25519   = 0x0020 // DHKEM(X25519, HKDF-SHA256)
	sha256   = 0x0001 // HKDF-SHA256
	aes128   = 0x0001 // AES-128-GCM
	aes256   = 0x0002
	chacha20 = 0x0003
)

// appendConfig appends an ECHConfig.
func appendConfig(dst []byte, id byte, public []byte, publicName string) []byte {
	b := cryptobyte.NewBuilder(dst)
	b.AddUint16(version)
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddUint8(id)
		b.AddUint16(x25519)
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(public) })
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			for _, aead := range []uint16{aes128, aes256, chacha20} {
				b.AddUint16(sha256)
				b.AddUint16(aead)
			}
		})
		b.AddUint8(0) // the length to which names are filled up is the client's to choose
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(publicName)) })
		b.AddUint16(0) // no extensions
	})
	return b.BytesOrPanic()
}

// listOf is an ECHConfigList of one.
func listOf(config []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(config))), config...)
}

// parts are what weir wants to know of an ECHConfig of its own; ok is false if it is none.
func parts(config []byte) (id byte, publicName string, ok bool) {
	s := cryptobyte.String(config)
	var v, kem uint16
	var contents, key, suites, name cryptobyte.String
	var most uint8
	ok = s.ReadUint16(&v) && v == version && s.ReadUint16LengthPrefixed(&contents) && contents.ReadUint8(&id) && contents.ReadUint16(&kem) &&
		contents.ReadUint16LengthPrefixed(&key) && contents.ReadUint16LengthPrefixed(&suites) && contents.ReadUint8(&most) &&
		contents.ReadUint8LengthPrefixed(&name)
	return id, string(name), ok
}

func idOf(config []byte) byte {
	id, _, _ := parts(config)
	return id
}

func publicNameOf(config []byte) string {
	_, name, _ := parts(config)
	return name
}
