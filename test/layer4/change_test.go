package layer4

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Tunnels and flows go on while the configuration is read again and the binary is replaced.
func TestChangesCutNoTunnelAndLoseNoDatagram(t *testing.T) {
	front, packets := free(t), free(t)
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	server.(*net.UDPConn).SetReadBuffer(4 << 20)
	go func() {
		b := make([]byte, 2048)
		for {
			n, from, err := server.ReadFrom(b)
			if err != nil {
				return
			}
			server.WriteTo(b[:n], from)
		}
	}()
	echo := serve(t, echoAndEnd)
	config := func(i int) string {
		return fmt.Sprintf(`
listeners:
  front: { address: %q, protocol: tcp, pool: echo, timeouts: { drain: 60s } }
  packets: { address: %q, protocol: udp, pool: packets, udp: { idle: %ds } }
pools:
  echo: { servers: [%q], timeouts: { tunnel: %dm } }
  packets: { servers: [%q] }
admin: { address: ADMIN }
logs: { access: off }
`, front, packets, 30+i, echo, 10+i, server.LocalAddr())
	}
	s := start(t, t.TempDir(), config(0), front)
	var stop atomic.Bool
	var all sync.WaitGroup
	var exchanges, sent, lost atomic.Int64
	for range 20 {
		all.Go(func() { keepTalking(t, front, &stop, &exchanges) })
	}
	for range 8 {
		all.Go(func() { keepSending(t, packets, &stop, &sent, &lost) })
	}
	reloads, replacements := 20, 3
	if *soak {
		reloads, replacements = 100, 10
	}
	for i := range reloads {
		s.write(config(i + 1))
		s.reload()
		time.Sleep(20 * time.Millisecond)
	}
	for range replacements {
		s.replace()
		time.Sleep(300 * time.Millisecond)
	}
	time.Sleep(500 * time.Millisecond)
	stop.Store(true)
	all.Wait()
	t.Logf("%d exchanges in tunnels; %d datagrams, %d lost", exchanges.Load(), sent.Load(), lost.Load())
	if exchanges.Load() < 2000 || sent.Load() < 10_000 {
		t.Error("there was not much to lose")
	}
	if lost.Load()*10_000 > sent.Load() {
		t.Errorf("%d of %d datagrams were lost", lost.Load(), sent.Load())
	}
}

// keepTalking uses one tunnel for all that it says.
func keepTalking(t *testing.T, front string, stop *atomic.Bool, exchanges *atomic.Int64) {
	c, err := net.Dial("tcp", front)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	text, b := bytes.Repeat([]byte("E"), 1000), make([]byte, 1000)
	for !stop.Load() {
		c.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := c.Write(text); err != nil {
			t.Errorf("a tunnel was cut: %v", err)
			return
		}
		if _, err := io.ReadFull(c, b); err != nil {
			t.Errorf("a tunnel was cut: %v", err)
			return
		}
		exchanges.Add(1)
		time.Sleep(5 * time.Millisecond)
	}
}

// keepSending sends numbered datagrams and counts those that do not come back.
func keepSending(t *testing.T, to string, stop *atomic.Bool, sent, lost *atomic.Int64) {
	c, err := net.Dial("udp", to)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	back := make(chan struct{})
	var came atomic.Int64
	go func() {
		defer close(back)
		seen, b := map[uint64]bool{}, make([]byte, 100)
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			if i := binary.BigEndian.Uint64(b[:n]); !seen[i] {
				seen[i] = true
				came.Add(1)
			}
		}
	}()
	n := int64(0)
	for ; !stop.Load(); n++ {
		c.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
		time.Sleep(time.Millisecond)
	}
	c.SetReadDeadline(time.Now().Add(time.Second))
	<-back
	sent.Add(n)
	lost.Add(n - came.Load())
}
