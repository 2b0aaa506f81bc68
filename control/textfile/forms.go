package textfile

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// This file tells the forms in which certificates and keys are handed over, and that are not the one that weir reads: PEM, without a passphrase.

// OtherForm says what a certificate or key in another form is, and how to convert it; nil for a text that is none.
func OtherForm(name string, text []byte) error {
	what := inPEM(name, text)
	if what == "" {
		what = inDER(name, text)
	}
	if what == "" {
		return nil
	}
	return errors.New(name + " " + what)
}

// unusable says why a file does not have what is expected of it.
func unusable(name string, text []byte, expected string) error {
	switch {
	case len(bytes.TrimSpace(text)) == 0:
		return fmt.Errorf("%s is empty", name)
	case bytes.HasPrefix(text, []byte("\xff\xfe")), bytes.HasPrefix(text, []byte("\xfe\xff")):
		return fmt.Errorf("%s is UTF-16 text; save it as UTF-8", name)
	}
	if err := OtherForm(name, text); err != nil {
		return err
	}
	hasKey, hasCertificate := firstBlock(text, isKey) != nil, firstBlock(text, isCertificate) != nil
	switch {
	case hasKey && expected == "private key":
		return fmt.Errorf("%s: its private key is damaged, or of a kind that TLS does not use here; RSA, ECDSA (P-256, P-384, P-521) and Ed25519 are", name)
	case hasKey:
		return fmt.Errorf("%s holds a private key, and a certificate is expected", name)
	case hasCertificate:
		return fmt.Errorf("%s holds a certificate, and a private key is expected", name)
	}
	return fmt.Errorf("%s holds no %s in PEM form", name, expected)
}

// convert is what to do with a file in another form.
func convert(name, command string) string {
	return "; convert it, and name the new file instead: openssl " + strings.ReplaceAll(command, "FILE", name)
}

// inPEM says what is wrong with the form of what is in a PEM file; "" if nothing is.
func inPEM(name string, text []byte) string {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "OPENSSH PRIVATE KEY":
			return "is a private key in the form of OpenSSH, which TLS does not use; convert a copy of it: ssh-keygen -p -N '' -m PKCS8 -f " + name
		case "PKCS7":
			return "is in PKCS #7 form (.p7b)" + convert(name, "pkcs7 -print_certs -in FILE -out FILE.pem")
		case "TRUSTED CERTIFICATE", "X509 CERTIFICATE":
			return "is a certificate in OpenSSL's own form" + convert(name, "x509 -in FILE -out FILE.pem")
		case "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST":
			return "is a request for a certificate, and not the certificate that an authority issued for it"
		case "ENCRYPTED PRIVATE KEY":
			return isEncrypted + convert(name, "pkey -in FILE -out FILE.pem")
		}
		if isKey(block) && block.Headers["DEK-Info"] != "" {
			return isEncrypted + convert(name, "pkey -in FILE -out FILE.pem")
		}
	}
	return ""
}

const isEncrypted = "is a private key with a passphrase, which nobody can enter when weir starts"

// inDER says what a file without PEM is; "" if it is not known.
func inDER(name string, text []byte) string {
	if chain, err := x509.ParseCertificates(text); err == nil && len(chain) > 0 {
		return "is a certificate in DER form, and PEM is expected" + convert(name, "x509 -inform der -in FILE -out FILE.pem")
	}
	if ParseKey(text) != nil {
		return "is a private key in DER form, and PEM is expected" + convert(name, "pkey -inform der -in FILE -out FILE.pem")
	}
	var outer asn1.RawValue
	if rest, err := asn1.Unmarshal(text, &outer); err != nil || len(rest) > 0 || outer.Tag != asn1.TagSequence {
		return ""
	}
	var first, second asn1.RawValue
	rest, err := asn1.Unmarshal(outer.Bytes, &first)
	if err != nil {
		return ""
	}
	if _, err := asn1.Unmarshal(rest, &second); err != nil {
		return ""
	}
	switch {
	case first.Tag == asn1.TagInteger && bytes.Equal(first.Bytes, []byte{3}) && second.Tag == asn1.TagSequence: // RFC 7292: PFX ::= SEQUENCE { version INTEGER {v3(3)}, authSafe ContentInfo, …
		return "is in PKCS #12 form (.pfx)" + convert(name, "pkcs12 -nodes -in FILE -out FILE.pem") + "; it then holds the certificate and its key"
	case bytes.Equal(first.FullBytes, signedData):
		return "is in PKCS #7 form (.p7b)" + convert(name, "pkcs7 -inform der -print_certs -in FILE -out FILE.pem")
	case first.Tag == asn1.TagSequence && second.Tag == asn1.TagOctetString: // RFC 5958: EncryptedPrivateKeyInfo
		return isEncrypted + ", and in DER form" + convert(name, "pkey -inform der -in FILE -out FILE.pem")
	}
	return ""
}

// signedData is the type 1.2.840.113549.1.7.2 of RFC 5652.
var signedData = []byte{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02}
