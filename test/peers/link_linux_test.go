package peers

import (
	"io"
	"net"
	"testing"
	"time"
)

// A connection over the link takes a round trip to open, and moves bytes at more than its window would allow if it did not grow; with losses it still delivers all.
func TestLinkDelaysAndLoses(t *testing.T) {
	const delay = 20 * time.Millisecond
	link, err := NewLink(delay)
	if err != nil {
		t.Fatal(err)
	}
	defer link.Close()
	l, err := net.Listen("tcp", net.JoinHostPort(link.Here, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); io.Copy(c, c) }()
		}
	}()
	for _, percent := range []float64{0, 1} {
		link.Lose(percent)
		began := time.Now()
		c, err := link.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); percent == 0 && took < 2*delay {
			t.Errorf("connected after %v, want a round trip of %v", took, 2*delay)
		}
		const size = 8 << 20
		go func() { io.CopyN(c, zeros{}, size); c.(*net.TCPConn).CloseWrite() }()
		if n, err := io.Copy(io.Discard, c); n != size || err != nil {
			t.Errorf("%v%% lost: %d bytes came back, %v", percent, n, err)
		}
		t.Logf("%v%% lost: 8 MiB there and back in %v", percent, time.Since(began))
		c.Close()
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }
