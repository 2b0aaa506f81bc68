package layer4

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/weir-proxy/weir/test/peers"
)

// Who is not in a listener's allow, or is in its deny, gets nothing: over TCP, UDP, TLS, HTTP and HTTP/3, and before anything of it is read.
func TestListenersTakeOnlyWhomTheyAllow(t *testing.T) {
	tcp, udp, web, secure := free(t), free(t), free(t), free(t)
	server := peers.Serve(t, func(c *net.TCPConn) { echoAndEnd(c) })
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer packets.Close()
	go func() {
		b := make([]byte, 2048)
		for {
			n, from, err := packets.ReadFrom(b)
			if err != nil {
				return
			}
			packets.WriteTo(b[:n], from)
		}
	}()
	s := start(t, t.TempDir(), fmt.Sprintf(`
listeners:
  tcp: { address: %q, protocol: tcp, pool: echo, allow: [127.0.0.0/28], deny: [127.0.0.3] }
  udp: { address: %q, protocol: udp, pool: packets, allow: [127.0.0.0/28], deny: [127.0.0.3] }
  web: { address: %q, allow: [127.0.0.0/28], deny: [127.0.0.3] }
  secure: { address: %q, tls: on, allow: [127.0.0.0/28], deny: [127.0.0.3] }
pools: { echo: %q, packets: %q }
sites: { "*": { respond: { body: "hello" } } }
admin: "ADMIN"
data: DIR/data
logs: { access: off }
`, tcp, udp, web, secure, server, packets.LocalAddr()), tcp, web, secure)
	config := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h3", "http/1.1"}, ServerName: "a.test"}
	isTaken := map[string]func(own net.IP) bool{
		"TCP": func(own net.IP) bool { return answers(t, "tcp", tcp, own, "hello") },
		"UDP": func(own net.IP) bool { return answers(t, "udp", udp, own, "hello") },
		"HTTP": func(own net.IP) bool {
			return answers(t, "tcp", web, own, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		},
		"TLS": func(own net.IP) bool {
			c := dialFrom(t, "tcp", secure, &net.TCPAddr{IP: own})
			if c == nil {
				return false
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(5 * time.Second))
			return tls.Client(c, &tls.Config{InsecureSkipVerify: true, ServerName: "a.test"}).Handshake() == nil
		},
		"HTTP/3": func(own net.IP) bool {
			socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: own})
			if err != nil {
				t.Fatal(err)
			}
			defer socket.Close()
			to, err := net.ResolveUDPAddr("udp", secure)
			if err != nil {
				t.Fatal(err)
			}
			conn, err := quicgo.Dial(t.Context(), socket, to, config, &quicgo.Config{HandshakeIdleTimeout: 2 * time.Second})
			if err == nil {
				conn.CloseWithError(0, "")
			}
			return err == nil
		},
	}
	for kind, taken := range isTaken {
		for last, want := range map[byte]bool{1: true, 2: true, 3: false, 99: false} {
			if got := taken(net.IPv4(127, 0, 0, last)); got != want {
				t.Errorf("%s from 127.0.0.%d: taken %t, want %t", kind, last, got, want)
			}
		}
	}
	st := s.status()
	if n := st.Tunnels.Reasons["weir.read.refused"]; n != 2 {
		t.Errorf("%d tunnels were counted as refused, want 2", n)
	}
	if n := st.Exchanges.Reasons["weir.read.refused"]; n < 4 {
		t.Errorf("%d connections to HTTP listeners were counted as refused, want at least 4", n)
	}
	if n := st.Flows.Reasons["weir.read.refused"]; n != 2 {
		t.Errorf("%d datagrams were counted as refused, want 2", n)
	}
}

// answers reports whether something comes back.
func answers(t *testing.T, network, to string, own net.IP, text string) bool {
	t.Helper()
	var local net.Addr = &net.TCPAddr{IP: own}
	if network == "udp" {
		local = &net.UDPAddr{IP: own}
	}
	c := dialFrom(t, network, to, local)
	if c == nil {
		return false
	}
	defer c.Close()
	wait := 5 * time.Second
	if network == "udp" {
		wait = 500 * time.Millisecond
	}
	c.SetDeadline(time.Now().Add(wait))
	c.Write([]byte(text))
	n, _ := c.Read(make([]byte, 100))
	return n > 0
}

// dialFrom connects from an own address; nil if the connection was reset at once.
func dialFrom(t *testing.T, network, to string, own net.Addr) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{LocalAddr: own}).Dial(network, to)
	if errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}
