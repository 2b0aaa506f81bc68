package certs

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

func TestTheAuthoritysWordIsServed(t *testing.T) {
	caKey, key := ecdsaKey(t), ecdsaKey(t)
	caTemplate := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, NotBefore: time.Now().Add(-time.Hour), NotAfter: inADay()}
	caDER, err := x509.CreateCertificate(rand.Reader, caTemplate, caTemplate, caKey.Public(), caKey)
	if err != nil {
		t.Fatal(err)
	}
	ca, _ := x509.ParseCertificate(caDER)
	now, asked, status := time.Now(), 0, ocsp.Good
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		body, _ := io.ReadAll(r.Body)
		question, err := ocsp.ParseRequest(body)
		if err != nil {
			w.WriteHeader(400)
			return
		}
		answer, _ := ocsp.CreateResponse(ca, ca, ocsp.Response{Status: status, SerialNumber: question.SerialNumber, ThisUpdate: now.Add(-time.Minute),
			NextUpdate: now.Add(4 * time.Hour)}, caKey)
		w.Write(answer)
	}))
	defer server.Close()
	template := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{"a.net"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: inADay(),
		OCSPServer: []string{server.URL}}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, key.Public(), caKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	source := Source{filepath.Join(dir, "a.pem"), filepath.Join(dir, "a.key")}
	put(t, source.Cert, append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})...))
	put(t, source.Key, keyText(t, key))
	s := open(t, source)
	served := func() []byte { return s.index.Load().find("a.net", hello("a.net")).OCSPStaple }
	if served() != nil {
		t.Error("a staple before anybody was asked")
	}
	if problems := s.Staple(t.Context(), now); len(problems) > 0 || len(served()) == 0 {
		t.Fatalf("no staple: %v", problems)
	}
	s.Staple(t.Context(), now.Add(time.Hour))
	if asked != 1 {
		t.Errorf("asked %d times before half of its time", asked)
	}
	put(t, source.Key, append(keyText(t, key), '\n'))
	if s.Refresh(); len(served()) == 0 {
		t.Error("lost when the files were read again")
	}
	status = ocsp.Revoked
	if problems := s.Staple(t.Context(), now.Add(3*time.Hour)); len(problems) != 1 || len(served()) == 0 {
		t.Errorf("what is good yet is served on: %v", problems)
	}
	if s.Staple(t.Context(), now.Add(5*time.Hour)); served() != nil {
		t.Error("a void staple is served")
	}
}

func keyText(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}
