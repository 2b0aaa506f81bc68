package textfile

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
)

// KeyPair is tls.LoadX509KeyPair for regular files. Its errors name the file that is at fault, and say how to convert it where that is possible.
func KeyPair(cert, key string) (tls.Certificate, error) {
	chain, err := Certificates(cert)
	if err != nil {
		return tls.Certificate{}, err
	}
	private, err := ReadPEM(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	block := firstBlock(private, isKey)
	if block == nil || ParseKey(block.Bytes) == nil {
		return tls.Certificate{}, unusable(key, private, "private key")
	}
	leaf, err := x509.ParseCertificate(firstBlock(chain, isCertificate).Bytes)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%s: its first certificate cannot be read: %w", cert, err)
	}
	if public, ok := leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); ok && !public.Equal(ParseKey(block.Bytes).Public()) {
		return tls.Certificate{}, fmt.Errorf("%s is not the private key of the first certificate in %s", key, cert)
	}
	return tls.X509KeyPair(chain, private)
}

// Certificates reads a file that holds at least one certificate in PEM form. Its errors say how to convert a file in another form.
func Certificates(name string) ([]byte, error) {
	text, err := ReadPEM(name)
	if err != nil {
		return nil, err
	}
	block := firstBlock(text, isCertificate)
	if block == nil {
		return nil, unusable(name, text, "certificate")
	}
	if _, err := x509.ParseCertificate(block.Bytes); err != nil {
		return nil, fmt.Errorf("%s: its first certificate cannot be read: %w", name, err)
	}
	return text, nil
}

// ParseKey reads a private key in any of the forms that TLS keys have in DER; nil if it is none of them.
func ParseKey(der []byte) crypto.Signer {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		signer, _ := key.(crypto.Signer)
		return signer
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key
	}
	return nil
}

// utf8BOM is what editors on Windows put before a text.
const utf8BOM = "\xef\xbb\xbf"

// ReadPEM reads a text in which PEM is to be found, without a byte order mark.
func ReadPEM(name string) ([]byte, error) {
	text, err := Read(name)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	return bytes.TrimPrefix(text, []byte(utf8BOM)), nil
}

func isCertificate(b *pem.Block) bool { return b.Type == "CERTIFICATE" }
func isKey(b *pem.Block) bool         { return strings.HasSuffix(b.Type, "PRIVATE KEY") }

// firstBlock is the first block of the text that is of the kind; nil for none.
func firstBlock(text []byte, is func(*pem.Block) bool) *pem.Block {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if is(block) {
			return block
		}
	}
	return nil
}
