package tls

import (
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-proxy/weir/engine"
)

// exact reads what fills its buffer to the last byte, as the end of a body of known length does, and gives the connection back.
type exact struct{ started *atomic.Int32 }

func (h exact) Serve(c engine.Conn) {
	h.started.Add(1)
	var buf [5]byte
	n, err := c.Read(buf[:])
	if err != nil {
		c.Close()
		return
	}
	c.Write(buf[:n])
	c.SetReadTimeout(5 * time.Second)
	c.Await(h)
}

func TestIdleConnectionIsLeftAloneAfterAReadThatFilledItsBuffer(t *testing.T) {
	cert, trusted := certificate(t)
	both(t, func(t *testing.T, e *engine.Engine) {
		var started atomic.Int32
		address := listen(t, e, &tls.Config{Certificates: []tls.Certificate{cert}}, exact{&started})
		c, err := tls.Dial("tcp", address, &tls.Config{RootCAs: trusted, ServerName: "localhost"})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(5 * time.Second))
		ask := func(text string) {
			t.Helper()
			if _, err := io.WriteString(c, text); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, len(text))
			if _, err := io.ReadFull(c, got); err != nil || string(got) != text {
				t.Fatalf("got %q, %v", got, err)
			}
		}
		ask("first")
		time.Sleep(50 * time.Millisecond)
		if n := started.Load(); n > 2 {
			t.Errorf("the handler of an idle connection ran %d times", n)
		}
		held := 0
		e.Each(func(l *engine.Loop) { held += l.BuffersOut() })
		if held != 0 {
			t.Errorf("an idle connection holds %d buffers", held)
		}
		before := started.Load()
		ask("twiceagain") // two reads of what came in one record: the second must not be forgotten
		ask("third")
		if n := started.Load() - before; n > 6 {
			t.Errorf("15 bytes took %d runs", n)
		}
	})
}

func TestHandshakeThatFailsLeavesNoBuffer(t *testing.T) {
	cert, _ := certificate(t)
	both(t, func(t *testing.T, e *engine.Engine) {
		ended := make(chan struct{})
		address := listenRaw(t, e, handlerFunc(func(c engine.Conn) {
			defer close(ended)
			if Server(c, &tls.Config{Certificates: []tls.Certificate{cert}}).Handshake() == nil {
				t.Error("a handshake of an alert")
			}
			c.Close()
		}))
		alert(t, address)
		<-ended
		e.Each(func(l *engine.Loop) {
			if n := l.BuffersOut(); n != 0 {
				t.Errorf("%d buffers are out", n)
			}
		})
	})
}

func listenRaw(t *testing.T, e *engine.Engine, h engine.Handler) string {
	t.Helper()
	ln, err := e.Listen(engine.Address{IP: netip.MustParseAddrPort("127.0.0.1:0")}, engine.ListenConfig{}, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ln.Close)
	return ln.Address.String()
}

// alert sends a fatal alert in place of a handshake.
func alert(t *testing.T, address string) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	io.WriteString(c, "\x15\x03\x01\x00\x02\x02\x28"+"what follows is read with it")
	io.ReadAll(c)
}
