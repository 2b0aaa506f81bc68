package layer4

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

// An end of TLS that its peer has not said, which anybody on the way could make, arrives as an end that is not clean, after all that was sent. One that was said is clean.
func TestAnEndOfTLSThatNobodyHasSaidIsNotClean(t *testing.T) {
	dir := t.TempDir()
	certificate, err := peers.NewCertificate(dir, "a.example")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(certificate.Cert, certificate.Key)
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan *net.TCPConn, 8)
	server := peers.Serve(t, func(c *net.TCPConn) { accepted <- c })
	fronts := []string{free(t), free(t), free(t)}
	terms := fmt.Sprintf("certificates: [{ cert: %q, key: %q }]", certificate.Cert, certificate.Key)
	start(t, dir, fmt.Sprintf(`
listeners:
  ends: { address: %q, protocol: tcp, pool: clear, tls: { %[4]s } }
  begins: { address: %[2]q, protocol: tcp, pool: secure }
  both: { address: %[3]q, protocol: tcp, pool: secure, tls: { %[4]s } }
pools:
  clear: { servers: [%[5]q], health: off }
  secure: { servers: [%[5]q], health: off, tls: { ca: %[6]q, server_name: a.example } }
admin: "ADMIN"
logs: { access: off }
`, fronts[0], fronts[1], fronts[2], terms, server, certificate.Cert), fronts...)
	for at, name := range []string{"ends", "begins", "both"} {
		for _, fromServer := range []bool{false, true} {
			for _, isSaid := range []bool{false, true} {
				isSecure := [2]bool{at != 1, at != 0} // client, server
				sender, receiver := 0, 1
				if fromServer {
					sender, receiver = 1, 0
				}
				if !isSecure[sender] {
					continue
				}
				what := fmt.Sprintf("%s, from the server %v, said %v", name, fromServer, isSaid)
				raw, err := net.Dial("tcp", fronts[at])
				if err != nil {
					t.Fatal(err)
				}
				ends := [2]net.Conn{raw, nil}
				alerts := &alertSeer{}
				if isSecure[0] {
					ends[0] = tls.Client(alerts.by(raw, receiver == 0), &tls.Config{InsecureSkipVerify: true, ServerName: "a.example", MaxVersion: tls.VersionTLS12})
					if err := ends[0].(*tls.Conn).Handshake(); err != nil {
						t.Fatal(err)
					}
				}
				io.WriteString(ends[0], "hello")
				var other *net.TCPConn
				for hello := make([]byte, 5); string(hello) != "hello"; { // the looks whether the addresses are listened on say nothing
					other = <-accepted
					other.SetDeadline(time.Now().Add(10 * time.Second))
					ends[1] = other
					if isSecure[1] {
						ends[1] = tls.Server(alerts.by(other, receiver == 1), &tls.Config{Certificates: []tls.Certificate{pair}, MaxVersion: tls.VersionTLS12})
					}
					io.ReadFull(ends[1], hello)
				}
				sent := bytes.Repeat([]byte("0123456789"), 30_000)
				go func() {
					ends[sender].Write(sent)
					if isSaid {
						ends[sender].(*tls.Conn).CloseWrite()
					}
					[2]*net.TCPConn{raw.(*net.TCPConn), other}[sender].CloseWrite()
				}()
				ends[receiver].SetDeadline(time.Now().Add(10 * time.Second))
				got, err := io.ReadAll(ends[receiver])
				isClean := err == nil && (!isSecure[receiver] || alerts.last == 21) // crypto/tls takes an end that was not said for one between records
				if !bytes.Equal(got, sent) || isSaid != isClean {
					t.Errorf("%s: %d bytes of %d: %v, the last record is of type %d", what, len(got), len(sent), err, alerts.last)
				}
				raw.Close()
				other.Close()
			}
		}
	}
}

// alertSeer sees of what type the last record of TLS 1.2 was.
type alertSeer struct {
	net.Conn
	last byte
	left int    // bytes of the record
	head []byte // of the next one, as far as it is there
}

func (a *alertSeer) by(c net.Conn, isReceiver bool) net.Conn {
	if !isReceiver {
		return c
	}
	*a = alertSeer{Conn: c}
	return a
}

func (a *alertSeer) Read(p []byte) (int, error) {
	n, err := a.Conn.Read(p)
	for _, b := range p[:n] {
		if a.left > 0 {
			a.left--
			continue
		}
		if a.head = append(a.head, b); len(a.head) == 5 {
			a.last, a.left, a.head = a.head[0], int(a.head[3])<<8|int(a.head[4]), nil
		}
	}
	return n, err
}

// A server that does not read what came before such an end keeps its tunnel for a few seconds, and not for as long as a tunnel may be idle.
func TestAReaderThatReadsNothingDoesNotKeepATruncatedTunnel(t *testing.T) {
	dir := t.TempDir()
	certificate, err := peers.NewCertificate(dir, "a.example")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan *net.TCPConn, 8)
	server := peers.Serve(t, func(c *net.TCPConn) { accepted <- c })
	front := free(t)
	s := start(t, dir, fmt.Sprintf(`
listeners: { ends: { address: %q, protocol: tcp, pool: clear, tls: { certificates: [{ cert: %q, key: %q }] } } }
pools: { clear: { servers: [%q], health: off } }
admin: "ADMIN"
logs: { access: off }
`, front, certificate.Cert, certificate.Key, server), front)
	raw, err := net.Dial("tcp", front)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	c := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(make([]byte, 1<<20)); err != nil { // as much as the systems take on the way, and more than the server's takes
		t.Fatal(err)
	}
	raw.(*net.TCPConn).CloseWrite()
	began := time.Now()
	eventually(t, "the tunnel ends", func() bool { return s.status().Tunnels.Open == 0 })
	if took := time.Since(began); took < 2*time.Second || took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	for len(accepted) > 0 {
		other := <-accepted
		other.SetDeadline(time.Now().Add(time.Second))
		if n, err := io.Copy(io.Discard, other); err == nil && n > 0 {
			t.Errorf("%d bytes, and a clean end", n)
		}
		other.Close()
	}
}
