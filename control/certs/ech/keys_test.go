package ech

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"math/big"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// meets does a handshake over memory with a client that has the list, and returns what the server has understood.
func meets(t *testing.T, k *Keys, list []byte) (accepted bool, asked string, err error) {
	t.Helper()
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"secret.example", "public.example"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, _ := x509.ParseCertificate(der)
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	there, here := net.Pipe()
	defer there.Close()
	server := tls.Server(there, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		GetEncryptedClientHelloKeys: func(*tls.ClientHelloInfo) ([]tls.EncryptedClientHelloKey, error) { return k.Get(), nil }})
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Handshake()
		server.Close()
	}()
	client := tls.Client(here, &tls.Config{ServerName: "secret.example", RootCAs: roots, MinVersion: tls.VersionTLS13, EncryptedClientHelloConfigList: list})
	err = client.Handshake()
	accepted = client.ConnectionState().ECHAccepted
	here.Close()
	<-done
	return accepted, server.ConnectionState().ServerName, err
}

func TestClientsHideTheNameAndOldOnesAreToldTheNewKey(t *testing.T) {
	k, err := Open(t.TempDir(), "public.example", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	list, _ := base64.StdEncoding.DecodeString(k.ConfigList())
	if accepted, asked, err := meets(t, k, list); !accepted || asked != "secret.example" || err != nil {
		t.Errorf("accepted %v, asked for %q, %v", accepted, asked, err)
	}
	other, _ := Open(t.TempDir(), "public.example", time.Now())
	_, _, err = meets(t, other, list)
	var rejected *tls.ECHRejectionError
	if !errors.As(err, &rejected) || len(rejected.RetryConfigList) == 0 {
		t.Fatalf("a key that is not known: %v", err)
	}
	if accepted, _, err := meets(t, other, rejected.RetryConfigList); !accepted || err != nil {
		t.Errorf("with what it was told: %v, %v", accepted, err)
	}
}

func TestKeysAreRotatedAndKept(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		k, err := Open(dir, "public.example", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		first := k.ConfigList()
		for week := range 8 {
			time.Sleep(publishedFor)
			if changed, err := k.Rotate(time.Now()); !changed || err != nil {
				t.Fatalf("week %d: %v %v", week, changed, err)
			}
			if n := len(k.Get()); n > 5 || n < 2 {
				t.Errorf("week %d: %d keys", week, n)
			}
			again, err := Open(dir, "public.example", time.Now())
			if err != nil || again.ConfigList() != k.ConfigList() || len(again.Get()) != len(k.Get()) {
				t.Errorf("week %d: another start has other keys: %v", week, err)
			}
		}
		if k.ConfigList() == first {
			t.Error("the first key is published still")
		}
		if other, err := Open(dir, "other.example", time.Now()); err != nil || len(other.Get()) != 1 {
			t.Errorf("another public name: %v", err)
		}
	})
}

func TestKeysThatCannotBeKeptWork(t *testing.T) {
	k, err := Open("/proc/none", "public.example", time.Now())
	if err == nil || len(k.Get()) != 1 {
		t.Errorf("%v, %d keys", err, len(k.Get()))
	}
}
