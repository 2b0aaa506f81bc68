package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// issue makes a self-signed certificate for the names in PEM, with its key.
func issue(t *testing.T, expires time.Time, key crypto.Signer, names ...string) (cert, keyText []byte) {
	t.Helper()
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	template := &x509.Certificate{SerialNumber: serial, DNSNames: names, NotBefore: expires.Add(-24 * time.Hour), NotAfter: expires}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

func ecdsaKey(t *testing.T) crypto.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t *testing.T) crypto.Signer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// pair writes a certificate and its key and returns the source.
func pair(t *testing.T, dir, file string, expires time.Time, key crypto.Signer, names ...string) Source {
	t.Helper()
	cert, keyText := issue(t, expires, key, names...)
	s := Source{filepath.Join(dir, file+".pem"), filepath.Join(dir, file+".key")}
	put(t, s.Cert, cert)
	put(t, s.Key, keyText)
	return s
}

func put(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Duration(len(content)) * time.Second) // another time than the file before, whatever the clock's grain
	os.Chtimes(file, later, later)
}

func inADay() time.Time { return time.Now().Add(24 * time.Hour) }

// hello is a client that asks for a name and can use everything.
func hello(name string) *tls.ClientHelloInfo {
	return &tls.ClientHelloInfo{ServerName: name, SupportedVersions: []uint16{tls.VersionTLS13}, CipherSuites: []uint16{tls.TLS_AES_128_GCM_SHA256},
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256, tls.PSSWithSHA256}, SupportedCurves: []tls.CurveID{tls.X25519, tls.CurveP256}}
}

// chooser is one over a store, with an issuer that was applied to data.
func chooser(t *testing.T, s *Store, data string, takes func(string) Taken) *Chooser {
	t.Helper()
	i := NewIssuer()
	i.Apply(Wanted{TLS: true, Data: data})
	t.Cleanup(i.Close)
	return NewChooser(s, i, takes, inline, inline)
}

func all(string) Taken  { return ByName }
func rest(string) Taken { return ByRest }
func none(string) Taken { return NotTaken }

// inline runs on the test's own goroutine what a loop would give to workers.
func inline(_ net.Conn, f func()) error { f(); return nil }
