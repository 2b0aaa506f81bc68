package peers

import (
	"net"
	"sync"
	"testing"
	"time"
)

// Distance starts a relay to the address whose bytes arrive after the delay, each way, however many they are, and returns its address. It stands for a link that is
// long and wide.
func Distance(t testing.TB, to string, delay time.Duration) string {
	t.Helper()
	address, stop, err := Far(to, delay)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return address
}

// Far is Distance outside of a test; stop ends it.
func Far(to string, delay time.Duration) (address string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				near.Close()
				continue
			}
			var done sync.WaitGroup
			done.Go(func() { late(far, near, delay) })
			done.Go(func() { late(near, far, delay) })
			go func() { done.Wait(); near.Close(); far.Close() }()
		}
	}()
	return l.Addr().String(), func() { l.Close() }, nil
}

// onItsWay is a piece, and when it arrives.
type onItsWay struct {
	bytes []byte
	at    time.Time
}

// late copies with the delay. 64 MiB may be on their way, in pieces of 64 KiB.
func late(to, from net.Conn, delay time.Duration) {
	way := make(chan onItsWay, 1024)
	go func() {
		defer close(way)
		for {
			b := make([]byte, 64<<10)
			n, err := from.Read(b)
			if n > 0 {
				way <- onItsWay{b[:n], time.Now().Add(delay)}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range way {
		time.Sleep(time.Until(p.at))
		if _, err := to.Write(p.bytes); err != nil {
			from.Close()
			for range way {
			}
			return
		}
	}
	if c, ok := to.(interface{ CloseWrite() error }); ok {
		c.CloseWrite()
	}
}
