package faults

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-proxy/weir/control/admin/api"
)

// Clients that wait for a certificate which is being obtained, from somebody who does not answer, hold nobody up whose certificate is there.
func TestClientsThatWaitForACertificateHoldNobodyUp(t *testing.T) {
	gate, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and is silent
	if err != nil {
		t.Fatal(err)
	}
	defer gate.Close()
	dir := t.TempDir()
	ca := newAuthority(t, dir, "ca")
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(7), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"good.test"}}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, key.Public(), ca.key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	ca.writePEM("good.pem", "CERTIFICATE", der)
	ca.writePEM("good.key", "PRIVATE KEY", private)
	s := start(t, strings.NewReplacer("GATE", gate.Addr().String(), "PAIR", filepath.Join(dir, "good")).Replace(`
listeners: { front: { address: "FRONT", tls: { certificates: [{ cert: PAIR.pem, key: PAIR.key }] } } }
tls: { acme: { email: ops@good.test, on_demand: "http://GATE/" } }
sites: { "*": { /*: { respond: 200 } } }
admin: "ADMIN"
data: DIR/data
logs: { access: off }
`))
	hello := func(name string, within time.Duration) (*tls.Conn, error) {
		dialer := &net.Dialer{Timeout: within}
		return tls.DialWithDialer(dialer, "tcp", s.address["FRONT"], &tls.Config{ServerName: name, RootCAs: ca.pool, InsecureSkipVerify: name != "good.test"})
	}
	if c, err := hello("good.test", 5*time.Second); err != nil {
		t.Fatal(err)
	} else {
		c.Close()
	}
	var waiting sync.WaitGroup
	defer waiting.Wait()
	const clients = 1100
	for range clients {
		waiting.Go(func() {
			if c, err := hello("slow.example.com", 20*time.Second); err == nil {
				c.Close()
			}
		})
	}
	work := func() api.Blocking {
		for _, b := range s.status().Blocking {
			if b.Work == "certificate" {
				return b
			}
		}
		t.Fatal("certificates are not counted")
		return api.Blocking{}
	}
	within(t, 4*time.Second, "clients to wait", func() bool { return work().Running >= 1024 })
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			began := time.Now()
			c, err := hello("good.test", 10*time.Second)
			if took := time.Since(began); err != nil || took > 2*time.Second {
				t.Errorf("a handshake beside them: %v after %v", err, took)
				return
			}
			c.Close()
		})
	}
	all.Wait()
	if b := work(); b.Running < 1000 {
		t.Errorf("they did not wait at the same time: %+v", b)
	}
}
