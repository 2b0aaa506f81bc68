package quic

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net/netip"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/http3"
)

// taking takes streams, and panics over each.
type taking struct{}

func (taking) Open(*Stream) { panic("in the owner") }
func (taking) Ended(*Conn)  {}

func identity(t *testing.T) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, NextProtos: []string{"h3"}}
}

// ask sends a request.
func ask(t *testing.T, client *quicgo.Conn) {
	t.Helper()
	s, err := client.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	head := []byte("\x00\x00\xd1\xd7\xc1\x50\x01a") // GET https / and :authority: a
	s.Write(append(http3.AppendHeader(nil, http3.FrameHeaders, len(head)), head...))
	s.Close()
}

// A panic on one of a connection's goroutines, or in whom the loop calls for it, is one of that connection: it is counted, and everything else goes on.
func TestAPanicEndsOnlyItsConnection(t *testing.T) {
	e, err := engine.New(engine.Config{Loops: 1, Log: func(string, ...any) {}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	l := e.Loops()[0]
	listener, err := quicgo.ListenAddr("127.0.0.1:0", identity(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	serve := func(config *Config) *quicgo.Conn {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		client, err := quicgo.DialAddr(ctx, listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h3"}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := listener.Accept(ctx)
		if err != nil {
			t.Fatal(err)
		}
		c := New(raw, l, config, netip.AddrPort{}, netip.AddrPort{})
		c.Begin(taking{})
		go c.Serve()
		return client
	}
	panics := func() (n uint64) {
		l.Call(func() { n = l.Stats.Panics })
		return n
	}

	// Without a configuration no goroutine gets far.
	client := serve(nil)
	select {
	case <-client.Context().Done():
	case <-time.After(5 * time.Second):
		t.Fatal("the connection goes on")
	}
	var closed *quicgo.ApplicationError
	if err := context.Cause(client.Context()); !errors.As(err, &closed) || http3.Code(closed.ErrorCode) != http3.InternalError {
		t.Errorf("the client is told %v", err)
	}
	if panics() == 0 {
		t.Error("no panic is counted")
	}

	before := panics()
	client = serve(&Config{Limits: &http1.Limits{}, Header: time.Second, Send: time.Second})
	defer client.CloseWithError(0, "")
	ask(t, client)
	for end := time.Now().Add(5 * time.Second); panics() == before; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no panic is counted")
		}
	}
	if err := client.Context().Err(); err != nil {
		t.Errorf("the connection has ended: %v", context.Cause(client.Context()))
	}
}
