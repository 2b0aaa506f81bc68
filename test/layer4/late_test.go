package layer4

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

// A weir that was stopped for a while finds its timers due and what came meanwhile in the socket: the latter counts.
func TestWhatCameWhileWeirWasStoppedCounts(t *testing.T) {
	dir := t.TempDir()
	certificate, err := peers.NewCertificate(dir, "a.example")
	if err != nil {
		t.Fatal(err)
	}
	either, proxied := free(t), free(t)
	s := start(t, dir, fmt.Sprintf(`
listeners:
  either: { address: %q, protocol: tcp, pool: echo, tls: { certificates: [{ cert: %q, key: %q }], plaintext: allow } }
  proxied: { address: %q, protocol: tcp, pool: echo, proxy_protocol: { from: 127.0.0.5 }, timeouts: { header: 300ms } }
pools: { echo: { servers: [%q] } }
admin: "ADMIN"
logs: { access: off }
`, either, certificate.Cert, certificate.Key, proxied, peers.Serve(t, echoAndEnd)), either, proxied)
	pid := s.pid()
	for range 3 {
		withTLS, withHeader := from(t, "127.0.0.1", either), from(t, "127.0.0.5", proxied)
		time.Sleep(100 * time.Millisecond)
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		secure := tls.Client(withTLS, &tls.Config{InsecureSkipVerify: true})
		done := make(chan error, 1)
		go func() { done <- secure.Handshake() }()
		io.WriteString(withHeader, "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nEcho")
		time.Sleep(600 * time.Millisecond)
		syscall.Kill(pid, syscall.SIGCONT)
		if err := <-done; err != nil {
			t.Errorf("the client of TLS: %v", err)
		}
		if _, err := io.ReadFull(withHeader, make([]byte, 4)); err != nil {
			t.Errorf("the client behind a proxy: %v", err)
		}
		withTLS.Close()
		withHeader.Close()
	}
}

// from connects from an address.
func from(t *testing.T, local, to string) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(local)}}).Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}
