package layer4

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

// echoAndEnd sends back what comes, and ends when the client does: half-closed, closed, or by a reset in the middle where the first byte says so.
func echoAndEnd(c *net.TCPConn) {
	defer c.Close()
	b := make([]byte, 64<<10)
	for sum := 0; ; {
		n, err := c.Read(b)
		if sum == 0 && n > 0 && b[0] == 'R' {
			c.Write(b[:n])
			c.SetLinger(0)
			return
		}
		sum += n
		if _, werr := c.Write(b[:n]); werr != nil || err != nil {
			return
		}
	}
}

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func TestTenThousandTunnelsEndAsTheyShould(t *testing.T) {
	front, server := free(t), peers.Serve(t, echoAndEnd)
	s := start(t, t.TempDir(), fmt.Sprintf(`
listeners: { front: { address: %q, protocol: tcp, pool: echo } }
pools: { echo: { servers: [%q] } }
admin: "ADMIN"
logs: { access: off }
`, front, server), front)
	s.status()
	eventually(t, "the look at the address is over", func() bool { return s.status().Tunnels.Open == 0 })
	before, accepted := s.descriptors(), s.status().Tunnels.Accepted
	const tunnels, atOnce = 10_000, 400
	var next atomic.Int64
	var all sync.WaitGroup
	for range atOnce {
		all.Go(func() {
			for next.Add(1) <= tunnels {
				if err := oneTunnel(front); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	eventually(t, "no tunnel is left", func() bool { return s.status().Tunnels.Open == 0 })
	st := s.status()
	if got := st.Tunnels.Accepted - accepted; got != tunnels {
		t.Errorf("%d tunnels", got)
	}
	if st.Tunnels.Reasons["client.tunnel.reset"] < tunnels/10 || st.Tunnels.Reasons["server.tunnel.reset"] < tunnels/10 || st.Tunnels.Reasons["none.finish.done"] < tunnels/3 {
		t.Errorf("%v", st.Tunnels.Reasons)
	}
	// Pipes are kept for the next splice; a connection to the admin address may be open.
	if after := s.descriptors(); after > before+2*2*16+2 {
		t.Errorf("%d descriptors, %d before", after, before)
	}
	if n := st.Pools[0].Servers[0].InFlight; n != 0 {
		t.Errorf("%d in flight", n)
	}
}

// oneTunnel sends random bytes, ends as it pleases, and checks what it gets.
func oneTunnel(front string) error {
	conn, err := net.Dial("tcp", front)
	if err != nil {
		return err
	}
	c := conn.(*net.TCPConn)
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	size := 1 + rand.IntN(3000)
	if rand.IntN(20) == 0 {
		size = rand.IntN(300_000)
	}
	sent := make([]byte, max(1, size))
	for i := range sent {
		sent[i] = byte(rand.Uint32())
	}
	sent[0] = 'E'
	switch rand.IntN(4) {
	case 0: // the client resets
		c.Write(sent[:1])
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			return fmt.Errorf("before its reset a client reads %w", err)
		}
		c.SetLinger(0)
		return nil
	case 1: // the server resets
		if _, err := io.WriteString(c, "R"); err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, c); !isReset(err) {
			return fmt.Errorf("after the server's reset a client reads %v", err)
		}
		return nil
	}
	done := make(chan error, 1)
	go func() {
		_, err := c.Write(sent)
		c.CloseWrite()
		done <- err
	}()
	got, err := io.ReadAll(c)
	if werr := <-done; werr != nil {
		return werr
	}
	if err != nil || !bytes.Equal(got, sent) {
		return fmt.Errorf("%d of %d bytes came back: %w", len(got), len(sent), err)
	}
	return nil
}
