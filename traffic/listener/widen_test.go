package listener

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	stdtls "crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/weir-proxy/weir/engine"
)

// The windows of all connections share a budget, and a connection gives its part back when it ends.
func TestWindowsGrowWithinABudget(t *testing.T) {
	e, err := engine.New(engine.Config{Loops: 1, Portable: true, Log: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	q := &QUIC{engine: e}
	transport := &quicgo.Transport{Conn: socket, ConnContext: func(ctx context.Context, _ *quicgo.ClientInfo) (context.Context, error) { return q.begin(ctx, nil) }}
	defer transport.Close()
	accepting, err := transport.Listen(&stdtls.Config{Certificates: []stdtls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, NextProtos: []string{"h3"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	connect := func() *quicgo.Conn {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		client, err := quicgo.DialAddr(ctx, socket.LocalAddr().String(), &stdtls.Config{InsecureSkipVerify: true, NextProtos: []string{"h3"}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.CloseWithError(0, "") })
		c, err := accepting.Accept(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first, second := connect(), connect()
	for _, memory := range []int64{0, 128 << 20} {
		name, most := "without a limit of memory", int64(widenedMost)
		if memory > 0 {
			name, most = "with a limit of memory", memory/8
		}
		e.SetMemory(memory)
		if !q.mayWiden(first, uint64(most/2)) || !q.mayWiden(second, uint64(most/2)) {
			t.Errorf("%s: a window may not grow although there is room", name)
		}
		if q.mayWiden(second, 1) {
			t.Errorf("%s: a window may grow although there is no room", name)
		}
		if got := q.widened.Load(); got != most {
			t.Errorf("%s: %d bytes are counted, expected %d", name, got, most)
		}
		first.CloseWithError(0, "")
		second.CloseWithError(0, "")
		for end := time.Now().Add(5 * time.Second); q.widened.Load() != 0; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: %d bytes are counted after both connections have ended", name, q.widened.Load())
			}
		}
		first, second = connect(), connect()
	}
	first.CloseWithError(0, "")
	second.CloseWithError(0, "")
}
