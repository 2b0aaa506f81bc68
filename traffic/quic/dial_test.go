package quic

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/http2"
)

// trusting believes every server.
type trusting struct{}

func (trusting) Config(int, string, string, netip.Addr) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h3"}}
}

// dialer is a coroutine that dials.
type dialer func()

func (d dialer) Run() { d() }

// A connection to a server holds a descriptor while it is opened and while it stands, and no longer, however that ends.
func TestConnectionsToServersHoldTheirDescriptors(t *testing.T) {
	listener, err := quicgo.ListenAddr("127.0.0.1:0", identity(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	nobody, _ := net.ListenPacket("udp", "127.0.0.1:0")
	nobody.Close()
	for _, portable := range []bool{false, true} {
		e, err := engine.New(engine.Config{Loops: 1, Portable: portable, Log: t.Logf})
		if err != nil {
			t.Fatal(err)
		}
		l := e.Loops()[0]
		config := &Config{Limits: &http1.Limits{}, Header: time.Second, Send: time.Second, Idle: time.Minute, TLS: trusting{}}
		type end struct {
			c   *Conn
			err error
		}
		dial := func(to net.Addr, givenUp bool) chan end {
			ended := make(chan end, 1)
			wanted, stop := context.WithCancel(t.Context())
			if givenUp {
				stop()
			}
			l.Post(func() {
				l.Go(dialer(func() {
					defer stop()
					c, err := Dial(l, config, taking{}, Dialing{To: to.(*net.UDPAddr).AddrPort(), Within: 500 * time.Millisecond, Wanted: wanted})
					ended <- end{c, err}
				}))
			})
			return ended
		}
		holds := func(n int64, what string) {
			t.Helper()
			for by := time.Now().Add(5 * time.Second); e.Open() != n; time.Sleep(time.Millisecond) {
				if time.Now().After(by) {
					t.Fatalf("portable %v, %s: %d descriptors, want %d", portable, what, e.Open(), n)
				}
			}
		}
		for what, to := range map[string]net.Addr{"a silent server": silent.LocalAddr(), "no server": nobody.LocalAddr()} {
			ended := dial(to, false)
			if what == "a silent server" {
				holds(1, what+" being dialed")
			}
			if got := <-ended; got.err == nil {
				t.Errorf("%s: %v", what, got.err)
			}
			holds(0, what)
		}
		if got := <-dial(silent.LocalAddr(), true); got.err != engine.ErrInterrupted {
			t.Errorf("given up: %v", got.err)
		}
		holds(0, "given up")
		got := <-dial(listener.Addr(), false)
		if got.err != nil {
			t.Fatal(got.err)
		}
		holds(1, "a server")
		l.Post(func() { got.c.Leave(http2.NoError) })
		holds(0, "a server that was left")
		e.Close()
	}
}
