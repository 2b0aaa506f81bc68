package layer4

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"golang.org/x/net/ipv4"

	"github.com/weir-proxy/weir/test/peers"
)

// quicServer answers each stream with its name and what it was sent.
func quicServer(t *testing.T, name string, certificate *peers.Certificate) string {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(certificate.Cert, certificate.Key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := quic.ListenAddr("127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"echo"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			go func() {
				for {
					stream, err := c.AcceptStream(context.Background())
					if err != nil {
						return
					}
					go func() {
						io.WriteString(stream, name)
						io.Copy(stream, stream)
						stream.Close()
					}()
				}
			}()
		}
	}()
	return l.Addr().String()
}

func TestQUICIsBalanced(t *testing.T) {
	front, dir := free(t), t.TempDir()
	certificate, err := peers.NewCertificate(dir, "a.example")
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, dir, fmt.Sprintf(`
listeners: { front: { address: %q, protocol: udp, pool: quic } }
pools: { quic: { servers: [%q, %q], balance: least_requests } }
admin: { address: ADMIN }
logs: { access: off }
`, front, quicServer(t, "1", certificate), quicServer(t, "2", certificate)))
	var all sync.WaitGroup
	var mu sync.Mutex
	seen := map[byte]int{}
	for range 16 {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			c, err := quic.DialAddr(ctx, front, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"echo"}}, nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.CloseWithError(0, "")
			first := byte(0)
			for range 4 {
				stream, err := c.OpenStreamSync(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				go func() {
					stream.Write(make([]byte, 500_000))
					stream.Close()
				}()
				b, err := io.ReadAll(stream)
				if err != nil || len(b) != 500_001 || first != 0 && b[0] != first {
					t.Errorf("%d bytes of server %q, then %q: %v", len(b), first, b[:min(1, len(b))], err)
					return
				}
				first = b[0]
			}
			mu.Lock()
			seen[first]++
			mu.Unlock()
		})
	}
	all.Wait()
	if seen['1'] < 5 || seen['2'] < 5 {
		t.Errorf("%d connections went to the one server, %d to the other", seen['1'], seen['2'])
	}
	if f := s.status().Flows; f.Opened != 16 || f.Withheld > 0 {
		t.Errorf("%+v", f)
	}
}

// A flood of datagrams from 200,000 addresses of 127.0.0.0/8: the table stays as large as it may be, memory flat, and who was there before is served.
func TestFloodFromManySources(t *testing.T) {
	front, dir := free(t), t.TempDir()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go func() {
		b := make([]byte, 2048)
		for {
			n, from, err := server.ReadFrom(b)
			if err != nil {
				return
			}
			if string(b[:n]) != "flood" { // one that is flooded answers nobody
				server.WriteTo(b[:n], from)
			}
		}
	}()
	const most = 2000
	s := start(t, dir, fmt.Sprintf(`
listeners: { front: { address: %q, protocol: udp, pool: echo, udp: { flows: %d } } }
pools: { echo: { servers: [%q] } }
admin: { address: ADMIN }
logs: { access: off }
`, front, most, server.LocalAddr().String()))
	var old []net.Conn
	for i := range 10 {
		c, err := net.Dial("udp", front)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for range 3 {
			answered(t, c, fmt.Sprint("client ", i))
		}
		old = append(old, c)
	}
	for part := range 3 { // so that what is allocated once is, and the collector has found its pace
		flood(t, front, 20_000, 100+part)
	}
	before, highest := s.resident(), int64(0)
	for part := 1; part <= 10; part++ {
		flood(t, front, 20_000, part)
		for i, c := range old {
			answered(t, c, fmt.Sprint("client ", i))
		}
		highest = max(highest, s.resident())
	}
	f := s.status().Flows
	if f.Open > most || f.Open < most/2 {
		t.Errorf("%d flows, want up to %d", f.Open, most)
	}
	if f.Opened < 100_000 || f.Reasons["weir.flow.evicted"] < f.Opened-most-10 {
		t.Errorf("%d flows begun, %v", f.Opened, f.Reasons)
	}
	if highest > before+32<<20 {
		t.Errorf("%d MiB more memory", (highest-before)>>20)
	}
}

// answered asks until there is an answer: a flood costs datagrams, and not the flow.
func answered(t *testing.T, c net.Conn, text string) {
	t.Helper()
	b := make([]byte, 100)
	for range 50 {
		c.Write([]byte(text))
		c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if n, err := c.Read(b); err == nil && string(b[:n]) == text {
			return
		}
	}
	t.Fatalf("%s: no answer", text)
}

// flood sends a datagram from each of n addresses.
func flood(t *testing.T, to string, n, part int) {
	t.Helper()
	c, err := net.ListenPacket("udp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p := ipv4.NewPacketConn(c)
	address, err := net.ResolveUDPAddr("udp", to)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		from := &ipv4.ControlMessage{Src: net.IPv4(127, byte(1+part), byte(i/250), byte(1+i%250))}
		if _, err := p.WriteTo([]byte("flood"), from, address); err != nil {
			t.Fatal(err)
		}
		if i%500 == 499 {
			time.Sleep(5 * time.Millisecond) // 100,000 in a second
		}
	}
}
