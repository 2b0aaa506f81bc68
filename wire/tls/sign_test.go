package tls

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/weir-proxy/weir/engine"
)

// With other handshakes under way RSA signs on a worker, alone on the loop; the handshake is the same.
func TestRSASignsOffTheLoopWhenItQueues(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	for crowd, blocked := range map[int]uint64{1: 0, 2: 1} {
		e, err := engine.New(engine.Config{Loops: 1, Log: t.Logf})
		if err != nil {
			t.Fatal(err)
		}
		terms := NewTerms(NewPolicy("p", tls.VersionTLS12, nil, func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert, nil }), nil, false)
		done := make(chan error, 1)
		ln, err := e.Listen(engine.Address{IP: netip.MustParseAddrPort("127.0.0.1:0")}, engine.ListenConfig{}, handlerFunc(func(c engine.Conn) {
			s := terms.Server(c)
			s.Crowd = &crowd
			done <- s.Handshake()
			s.Close()
		}))
		if err != nil {
			t.Fatal(err)
		}
		raw, err := net.Dial("tcp", ln.Address.String())
		if err != nil {
			t.Fatal(err)
		}
		if err := tls.Client(raw, &tls.Config{InsecureSkipVerify: true}).Handshake(); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		raw.Close()
		if got := e.WorkStats(engine.SigningWork).Begun; got != blocked {
			t.Errorf("with %d handshakes under way: %d times on a worker, want %d", crowd, got, blocked)
		}
		ln.Close()
		e.Close()
	}
}
