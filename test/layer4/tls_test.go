package layer4

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
	"github.com/weir-proxy/weir/wire/proxyproto"
)

// TLS ends at weir, begins there, both, or neither, for a protocol that it does not know; half-closes pass through it.
func TestTLSAroundAnyProtocol(t *testing.T) {
	dir := t.TempDir()
	certificate, err := peers.NewCertificate(dir, "a.example")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(certificate.Cert, certificate.Key)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(certificate.Cert)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	clear := peers.Serve(t, echoAndEnd)
	secure := peers.Serve(t, func(c *net.TCPConn) {
		s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{pair}})
		defer s.Close()
		io.Copy(s, s)
		s.CloseWrite()
	})
	first := peers.Serve(t, func(c *net.TCPConn) {
		defer c.Close()
		io.WriteString(c, "220 I speak first\r\n")
		io.Copy(io.Discard, c)
	})
	headers := make(chan proxyproto.Header, 4)
	told := peers.Serve(t, func(c *net.TCPConn) {
		defer c.Close()
		b := make([]byte, 4096)
		n, _ := c.Read(b)
		h, _, err := proxyproto.Parse(b[:n])
		if err != nil {
			t.Error(err)
		}
		headers <- h
	})
	fronts := make([]string, 6)
	for i := range fronts {
		fronts[i] = free(t)
	}
	terms := fmt.Sprintf("certificates: [{ cert: %q, key: %q }]", certificate.Cert, certificate.Key)
	subject := start(t, dir, fmt.Sprintf(`
listeners:
  ends: { address: %q, protocol: tcp, pool: clear, tls: { %[7]s } }
  begins: { address: %[2]q, protocol: tcp, pool: secure }
  both: { address: %[3]q, protocol: tcp, pool: secure, tls: { %[7]s } }
  either: { address: %[4]q, protocol: tcp, pool: clear, tls: { %[7]s, plaintext: allow } }
  first: { address: %[5]q, protocol: tcp, pool: first, tls: { %[7]s, plaintext: allow } }
  told: { address: %[6]q, protocol: tcp, pool: told, tls: { %[7]s } }
pools:
  clear: { servers: [%[8]q] }
  secure: { servers: [%[9]q], tls: { ca: %[10]q, server_name: a.example } }
  first: { servers: [%[11]q] }
  told: { servers: [%[12]q], proxy_protocol: v2 }
admin: "ADMIN"
logs: { access: off }
`, fronts[0], fronts[1], fronts[2], fronts[3], fronts[4], fronts[5], terms, clear, secure, certificate.Cert, first, told), fronts...)
	config := &tls.Config{RootCAs: roots, ServerName: "a.example"}
	for name, c := range map[string]struct {
		front    string
		isSecure bool
	}{"ends": {fronts[0], true}, "begins": {fronts[1], false}, "both": {fronts[2], true}, "either, by TLS": {fronts[3], true}, "either, in clear": {fronts[3], false}} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", c.front)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(10 * time.Second))
			half := conn.(interface {
				io.ReadWriter
				CloseWrite() error
			})
			if c.isSecure {
				s := tls.Client(conn, config)
				if err := s.Handshake(); err != nil {
					t.Fatal(err)
				}
				half = s
			}
			sent := make([]byte, 2_000_000)
			for i := range sent {
				sent[i] = byte(i * 7)
			}
			sent[0] = 'E'
			go func() {
				half.Write(sent)
				half.CloseWrite()
			}()
			got, err := io.ReadAll(half)
			if err != nil || string(got) != string(sent) {
				t.Errorf("%d of %d bytes: %v", len(got), len(sent), err)
			}
		})
	}
	// Who does not speak TLS is refused where it is not allowed, and is spoken to first where it is.
	c, err := net.Dial("tcp", fronts[0])
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(5 * time.Second))
	io.WriteString(c, "hello in clear text\r\n")
	if b, err := io.ReadAll(c); len(b) > 0 && b[0] != 21 || err == nil && len(b) == 0 {
		t.Errorf("clear text gets %q, %v", b, err) // at most a TLS alert
	}
	c, err = net.Dial("tcp", fronts[4])
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(5 * time.Second))
	b := make([]byte, 19)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "220 I speak first\r\n" {
		t.Errorf("%q %v", b, err)
	}
	c.Close()
	secureClient, err := tls.Dial("tcp", fronts[5], config)
	if err != nil {
		t.Fatal(err)
	}
	h := <-headers
	secureClient.Close()
	for h.IsLocal || !h.Source.IsValid() { // the look whether the address is listened on had none
		h = <-headers
	}
	ssl, ok := proxyproto.ParseSSL(h.TLVs.Of(proxyproto.TypeSSL))
	if !ok || ssl.Version != "TLSv1.3" || ssl.HasCert || string(h.TLVs.Of(proxyproto.TypeAuthority)) != "a.example" || h.Source.String() != secureClient.LocalAddr().String() {
		t.Errorf("the server is told %+v, %+v", h, ssl)
	}
	eventually(t, "no tunnel is left", func() bool { return subject.status().Tunnels.Open == 0 })
}

// A proxy that says half of its header, or nothing, is cut; so is one that lies about the checksum.
func TestSlowAndOddHeadersAreCut(t *testing.T) {
	front := free(t)
	s := start(t, t.TempDir(), fmt.Sprintf(`
listeners: { front: { address: %q, protocol: tcp, pool: echo, proxy_protocol: { from: 127.0.0.5 }, timeouts: { header: 500ms } } }
pools: { echo: { servers: [%q] } }
admin: "ADMIN"
logs: { access: off }
`, front, peers.Serve(t, echoAndEnd)), front)
	for name, text := range map[string]string{"silent": "", "half of version 1": "PROXY TCP4 1.2.3", "half of version 2": "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x01"} {
		c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 5)}}).Dial("tcp", front)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		c.SetDeadline(began.Add(5 * time.Second))
		for i := range len(text) { // byte by byte, which moves no deadline
			io.WriteString(c, text[i:i+1])
			time.Sleep(20 * time.Millisecond)
		}
		_, err = io.ReadAll(c)
		if took := time.Since(began); !isReset(err) || took < 400*time.Millisecond || took > 2*time.Second {
			t.Errorf("%s: %v after %v", name, err, took)
		}
	}
	if r := s.status().Tunnels.Reasons; r["client.read.proxy_timeout"] != 3 {
		t.Errorf("%v", r)
	}
}
