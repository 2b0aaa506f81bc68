package layer4

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

// seenFrom answers each datagram with its first eight bytes and from where it came.
func seenFrom(t *testing.T) string {
	t.Helper()
	server, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	server.SetReadBuffer(4 << 20)
	go func() {
		b := make([]byte, 2048)
		for {
			n, from, err := server.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			server.WriteToUDPAddrPort(append(b[:min(n, 8)], from.String()...), from)
		}
	}()
	return server.LocalAddr().String()
}

// Tunnels and flows go on while the configuration is read again and the binary is replaced: a server sees a client's datagrams come from the same address
// and port for as long as they come.
func TestChangesCutNoTunnelAndLoseNoDatagram(t *testing.T) {
	front, packets, names := free(t), free(t), free(t)
	servers := []any{seenFrom(t), seenFrom(t), seenFrom(t)}
	echo := peers.Serve(t, echoAndEnd)
	config := func(i int) string {
		return fmt.Sprintf(`
listeners:
  front: { address: %q, protocol: tcp, pool: echo, timeouts: { drain: 60s } }
  packets: { address: %q, protocol: udp, pool: packets, udp: { idle: %ds } }
  names: { address: %q, protocol: udp, pool: packets, udp: { replies: 1 } }
pools:
  echo: { servers: [%q], timeouts: { tunnel: %dm } }
  packets: { servers: [%q, %q, %q], balance: round_robin }
admin: "ADMIN"
logs: { access: off }
`, append([]any{front, packets, 30 + i, names, echo, 10 + i}, servers...)...)
	}
	s := start(t, t.TempDir(), config(0), front)
	s.status() // front is open before packets and names are; this comes when all are
	var stop atomic.Bool
	var all sync.WaitGroup
	var exchanges, sent, lost, asked atomic.Int64
	for range 20 {
		all.Go(func() { keepTalking(t, front, &stop, &exchanges) })
	}
	for range 8 {
		all.Go(func() { keepSending(t, packets, &stop, &sent, &lost) })
	}
	for range 4 {
		all.Go(func() { keepAsking(t, names, &stop, &asked, &lost) })
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
	enough := func() bool { return exchanges.Load() >= 2000 && sent.Load() >= 10_000 && asked.Load() >= 1000 }
	waitFor(enough)
	stop.Store(true)
	all.Wait()
	t.Logf("%d exchanges in tunnels; %d datagrams in flows that stay, %d questions, %d lost", exchanges.Load(), sent.Load(), asked.Load(), lost.Load())
	if !enough() {
		t.Error("there was not much to lose")
	}
	if lost.Load()*10_000 > sent.Load()+asked.Load() {
		t.Errorf("%d of %d datagrams were lost", lost.Load(), sent.Load()+asked.Load())
	}
}

// Ten binaries one after the other, and nothing else: every flow is the first process's.
func TestReplacedBinariesKeepFlows(t *testing.T) {
	packets, names := free(t), free(t)
	s := start(t, t.TempDir(), fmt.Sprintf(`
listeners:
  packets: { address: %q, protocol: udp, pool: packets }
  names: { address: %q, protocol: udp, pool: packets, udp: { replies: 1 } }
pools:
  packets: { servers: [%q, %q, %q], balance: round_robin }
admin: "ADMIN"
logs: { access: { file: DIR/access.log, format: "{received} {reason}" } }
`, packets, names, seenFrom(t), seenFrom(t), seenFrom(t)))
	s.status()
	var stop atomic.Bool
	var all sync.WaitGroup
	var sent, lost, asked atomic.Int64
	for range 30 {
		all.Go(func() { keepSending(t, packets, &stop, &sent, &lost) })
	}
	for range 4 {
		all.Go(func() { keepAsking(t, names, &stop, &asked, &lost) })
	}
	time.Sleep(200 * time.Millisecond)
	for range 10 {
		s.replace()
		time.Sleep(100 * time.Millisecond)
	}
	enough := func() bool { return sent.Load() >= 10_000 && asked.Load() >= 500 }
	waitFor(enough)
	stop.Store(true)
	all.Wait()
	last := s.pid()
	syscall.Kill(last, syscall.SIGTERM)
	eventually(t, "the last process has gone", func() bool { return syscall.Kill(last, 0) != nil })
	text, err := os.ReadFile(filepath.Join(s.dir, "access.log"))
	if err != nil {
		t.Fatal(err)
	}
	flows, bytes := 0, int64(0)
	for line := range strings.Lines(string(text)) {
		n, reason := int64(0), ""
		if fmt.Sscan(line, &n, &reason); strings.HasSuffix(reason, "stopping") {
			flows, bytes = flows+1, bytes+n
		}
	}
	if flows != 30 || bytes != 8*sent.Load() {
		t.Errorf("the log has %d flows of %d bytes, want 30 of %d", flows, bytes, 8*sent.Load())
	}
	t.Logf("%d datagrams in flows that stay, %d questions, %d lost", sent.Load(), asked.Load(), lost.Load())
	if !enough() {
		t.Error("there was not much to lose")
	}
	if lost.Load()*10_000 > sent.Load()+asked.Load() {
		t.Errorf("%d of %d datagrams were lost", lost.Load(), sent.Load()+asked.Load())
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

// keepSending sends numbered datagrams on one flow, counts those that do not come back, and wants the server to see one sender.
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
		seen, b, sender := map[uint64]bool{}, make([]byte, 100), ""
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			i, from := binary.BigEndian.Uint64(b[:8]), string(b[8:n])
			if sender == "" {
				sender = from
			}
			if seen[i] || from != sender {
				t.Errorf("datagram %d (again: %v) went to the server from %s, the first from %s", i, seen[i], from, sender)
				return
			}
			seen[i] = true
			came.Add(1)
		}
	}()
	n := int64(0)
	for ; !stop.Load(); n++ {
		sent.Add(1)
		c.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
		time.Sleep(time.Millisecond)
	}
	c.SetReadDeadline(time.Now().Add(time.Second))
	<-back
	lost.Add(n - came.Load())
}

// keepAsking asks as resolvers do: a question by a port, and one answer.
func keepAsking(t *testing.T, to string, stop *atomic.Bool, asked, lost *atomic.Int64) {
	b := make([]byte, 100)
	for i := uint64(0); !stop.Load(); i++ {
		c, err := net.Dial("udp", to)
		if err != nil {
			t.Error(err)
			return
		}
		c.Write(binary.BigEndian.AppendUint64(nil, i))
		c.SetReadDeadline(time.Now().Add(2 * time.Second))
		asked.Add(1)
		if n, err := c.Read(b); err != nil || n < 8 || binary.BigEndian.Uint64(b) != i {
			lost.Add(1)
		}
		c.Close()
		time.Sleep(2 * time.Millisecond)
	}
}
