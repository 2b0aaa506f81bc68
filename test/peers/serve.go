package peers

import (
	"net"
	"net/http"
	"testing"
)

// Serve is a server of the test's own until that ends: do has each connection, and closes it. The result is its address.
func Serve(t *testing.T, do func(c *net.TCPConn)) (address string) {
	t.Helper()
	l := listen(t)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go do(c.(*net.TCPConn))
		}
	}()
	return l.Addr().String()
}

// ServeHTTP runs a web server until the test ends. The result is its address.
func ServeHTTP(t *testing.T, s *http.Server) (address string) {
	t.Helper()
	l := listen(t)
	t.Cleanup(func() { s.Close() })
	go s.Serve(l)
	return l.Addr().String()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}
