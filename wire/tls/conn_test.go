package tls

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/weir-proxy/weir/engine"
)

type handlerFunc func(c engine.Conn)

func (f handlerFunc) Serve(c engine.Conn) { f(c) }

type runnerFunc func()

func (f runnerFunc) Run() { f() }

// certificate makes a certificate for localhost and a pool that trusts it.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, trusted
}

func both(t *testing.T, f func(t *testing.T, e *engine.Engine)) {
	for name, portable := range map[string]bool{"poller": false, "goroutines": true} {
		t.Run(name, func(t *testing.T) {
			e, err := engine.New(engine.Config{Loops: 2, Portable: portable, Log: t.Logf})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			f(t, e)
		})
	}
}

// echoes one read, then gives the connection back.
type echo struct{ t *testing.T }

func (h echo) Serve(c engine.Conn) {
	buf := make([]byte, 5000)
	n, err := c.Read(buf)
	if err != nil {
		c.Close()
		return
	}
	c.Write(buf[:n])
	c.SetReadTimeout(5 * time.Second)
	c.Await(h)
}

func listen(t *testing.T, e *engine.Engine, config *tls.Config, h engine.Handler) string {
	t.Helper()
	ln, err := e.Listen(engine.Address{IP: netip.MustParseAddrPort("127.0.0.1:0")}, engine.ListenConfig{}, handlerFunc(func(c engine.Conn) {
		s := Server(c, config)
		if err := s.Handshake(); err != nil {
			c.Close()
			return
		}
		h.Serve(s)
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ln.Close)
	return ln.Address.String()
}

func TestServerSpeaksWithTheStandardClient(t *testing.T) {
	cert, trusted := certificate(t)
	both(t, func(t *testing.T, e *engine.Engine) {
		address := listen(t, e, &tls.Config{Certificates: []tls.Certificate{cert}}, echo{t})
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			c, err := tls.Dial("tcp", address, &tls.Config{RootCAs: trusted, ServerName: "localhost", MaxVersion: version})
			if err != nil {
				t.Fatal(err)
			}
			c.SetDeadline(time.Now().Add(10 * time.Second))
			// Sizes around the handler's buffer and the record: what is left inside crypto/tls must not be forgotten.
			for _, size := range []int{1, 100, 4999, 5000, 5001, 16384, 16385, 100_000} {
				sent := bytes.Repeat([]byte{byte(size)}, size)
				go c.Write(sent)
				got := make([]byte, size)
				if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, sent) {
					t.Fatalf("TLS %x, %d bytes: %v", version, size, err)
				}
			}
			c.Close()
		}
	})
}

func TestClientKeepsAnIdleConnectionThroughSessionTickets(t *testing.T) {
	cert, trusted := certificate(t)
	both(t, func(t *testing.T, e *engine.Engine) {
		server, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		go func() {
			for {
				c, err := server.Accept()
				if err != nil {
					return
				}
				go func() { io.Copy(c, c); c.Close() }() // tickets are sent with the handshake, after which weir has nothing to read
			}
		}()
		dialer := NewDialer(&tls.Config{RootCAs: trusted}, "localhost", 2)
		to := engine.Address{IP: netip.MustParseAddrPort(server.Addr().String())}
		result := make(chan string, 1)
		l := e.Loops()[0]
		l.Post(func() {
			l.Go(runnerFunc(func() {
				raw, err := l.Dial(to, engine.DialOptions{Timeout: time.Second})
				if err != nil {
					result <- err.Error()
					return
				}
				c, err := dialer.Client(raw, "127.0.0.1", "")
				if err != nil {
					result <- err.Error()
					return
				}
				idle := &idleKeeper{}
				c.SetReadTimeout(5 * time.Second)
				c.Await(idle)
				l.Sleep(200 * time.Millisecond) // the tickets arrive
				if idle.lost || !c.Reclaim() {
					result <- "the connection was given up for its session tickets"
					return
				}
				c.SetReadTimeout(time.Second)
				c.Write([]byte("hello"))
				buf := make([]byte, 10)
				n, err := c.Read(buf)
				if string(buf[:n]) != "hello" {
					result <- "after the tickets: " + err.Error()
					return
				}
				c.Close()
				result <- ""
			}))
		})
		if problem := <-result; problem != "" {
			t.Error(problem)
		}
	})
}

// idleKeeper does what transport does with an idle connection's event.
type idleKeeper struct{ lost bool }

func (k *idleKeeper) Serve(c engine.Conn) {
	if c.IsIdle() {
		c.SetReadTimeout(5 * time.Second)
		c.Await(k)
		return
	}
	k.lost = true
	c.Close()
}

func TestHandshakeThatIsNotTrustedFails(t *testing.T) {
	cert, _ := certificate(t)
	_, others := certificate(t)
	both(t, func(t *testing.T, e *engine.Engine) {
		address := listen(t, e, &tls.Config{Certificates: []tls.Certificate{cert}}, echo{t})
		to := engine.Address{IP: netip.MustParseAddrPort(address)}
		dialer := NewDialer(&tls.Config{RootCAs: others}, "localhost", 2)
		result := make(chan error, 1)
		l := e.Loops()[0]
		l.Post(func() {
			l.Go(runnerFunc(func() {
				raw, err := l.Dial(to, engine.DialOptions{Timeout: time.Second})
				if err == nil {
					_, err = dialer.Client(raw, "127.0.0.1", "")
					raw.Close()
				}
				result <- err
			}))
		})
		if err := <-result; err == nil {
			t.Error("a certificate of an unknown authority was taken")
		}
	})
}

func TestSilentClientEndsTheHandshakeAtItsDeadline(t *testing.T) {
	cert, _ := certificate(t)
	both(t, func(t *testing.T, e *engine.Engine) {
		ended := make(chan error, 1)
		ln, err := e.Listen(engine.Address{IP: netip.MustParseAddrPort("127.0.0.1:0")}, engine.ListenConfig{}, handlerFunc(func(c engine.Conn) {
			c.SetReadTimeout(100 * time.Millisecond)
			err := Server(c, &tls.Config{Certificates: []tls.Certificate{cert}}).Handshake()
			c.Close()
			ended <- err
		}))
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		c, err := net.Dial("tcp", ln.Address.String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.Write([]byte{0x16, 3, 1}) // half a record header
		if err := <-ended; err != engine.ErrTimeout {
			t.Errorf("got %v, want a timeout", err)
		}
	})
}

func TestEndWithoutCloseNotifyIsToldFromAnEnd(t *testing.T) {
	cert, _ := certificate(t)
	both(t, func(t *testing.T, e *engine.Engine) {
		ended := make(chan error, 1)
		address := listen(t, e, &tls.Config{Certificates: []tls.Certificate{cert}}, handlerFunc(func(c engine.Conn) {
			_, err := c.Read(make([]byte, 10))
			c.Close()
			ended <- err
		}))
		for _, polite := range []bool{true, false} {
			raw, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			c := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
			if err := c.Handshake(); err != nil {
				t.Fatal(err)
			}
			want := io.ErrUnexpectedEOF
			if polite {
				c.CloseWrite()
				want = io.EOF
			} else {
				raw.(*net.TCPConn).CloseWrite()
			}
			if err := <-ended; err != want {
				t.Errorf("close_notify %v: got %v, want %v", polite, err, want)
			}
			raw.Close()
		}
	})
}
