package layer4

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
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
admin: "ADMIN"
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
