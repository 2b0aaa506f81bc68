package tls

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/weir-proxy/weir/test/peers"
)

func TestMain(m *testing.M) { os.Exit(peers.Main(m)) }

// start starts a weir; FRONT and GUARDED in its configuration become addresses, DIR the directory.
func start(t *testing.T, dir, config string) (weir *peers.Process, front, guarded string) {
	t.Helper()
	binary, err := peers.WeirBinary()
	if err != nil {
		t.Fatal(err)
	}
	addresses, err := peers.FreeAddresses(2)
	if err != nil {
		t.Fatal(err)
	}
	config = strings.NewReplacer("DIR", dir, "FRONT", addresses[0], "GUARDED", addresses[1]).Replace(config)
	weir, err = peers.Weir(binary, dir, config, addresses...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := weir.Stop(); err != nil {
			t.Error(err)
		}
		if log, _ := os.ReadFile(weir.Log); strings.Contains(string(log), "panic") || t.Failed() {
			t.Logf("weir said:\n%s", log)
		}
	})
	return weir, addresses[0], addresses[1]
}

// authority signs clients' certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// newAuthority writes name.pem into the directory.
func newAuthority(t *testing.T, dir, name string) *authority {
	t.Helper()
	a := &authority{}
	a.key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	a.cert, _ = x509.ParseCertificate(der)
	if err := os.WriteFile(filepath.Join(dir, name+".pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *authority) client(t *testing.T, name string) *tls.Certificate {
	t.Helper()
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{SerialNumber: big.NewInt(0xabcdef), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name + ".clients.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, _ := x509.ParseCertificate(der)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// connection is a connection that requests go over.
type connection interface {
	// get asks for a host; status 0 means that weir ended the connection, as TLS 1.3 lets a server do after the client's handshake.
	get(host string) (status int, head http.Header, body string)
	state() tls.ConnectionState
	end()
}

// connect connects over TCP, or over QUIC; nil if weir did not want the connection.
func connect(address string, byQUIC bool, config *tls.Config) connection {
	if byQUIC {
		return connectQUIC(address, config)
	}
	c, err := tls.Dial("tcp", address, config)
	if err != nil {
		return nil
	}
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return &overTCP{c, bufio.NewReader(c)}
}

type overTCP struct {
	*tls.Conn
	in *bufio.Reader
}

func (c *overTCP) state() tls.ConnectionState { return c.ConnectionState() }
func (c *overTCP) end()                       { c.Close() }

func (c *overTCP) get(host string) (status int, head http.Header, body string) {
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host)
	return whole(http.ReadResponse(c.in, nil))
}

func whole(answer *http.Response, err error) (status int, head http.Header, body string) {
	if err != nil {
		return 0, nil, ""
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, nil, ""
	}
	return answer.StatusCode, answer.Header, string(text)
}

type overQUIC struct {
	*quicgo.Conn
	http *http3.ClientConn
}

func connectQUIC(address string, config *tls.Config) connection {
	config.NextProtos = []string{"h3"}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := quicgo.DialAddr(ctx, address, config, &quicgo.Config{})
	if err != nil {
		return nil
	}
	return &overQUIC{c, (&http3.Transport{}).NewClientConn(c)}
}

func (c *overQUIC) state() tls.ConnectionState { return c.ConnectionState().TLS }
func (c *overQUIC) end()                       { c.CloseWithError(0x100, "") }

func (c *overQUIC) get(host string) (status int, head http.Header, body string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	r, _ := http.NewRequestWithContext(ctx, "GET", "https://x/", nil)
	r.Host = host
	return whole(c.http.RoundTrip(r))
}
