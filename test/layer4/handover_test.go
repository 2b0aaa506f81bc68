package layer4

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/weir-proxy/weir/control/handover"
)

// failTakingOver is what this program does when it is started as a new weir: it takes all that it is given, and ends before it serves.
func failTakingOver(c *handover.Channel) {
	by := time.Now().Add(10 * time.Second)
	state, err := c.ReceiveState(by)
	if err != nil {
		return
	}
	ready := handover.Message{Kind: handover.Ready, Takes: true}
	for address := range state.Listeners {
		ready.Adopted = append(ready.Adopted, address)
	}
	c.Send(ready)
	c.Expect(handover.Go, by)
	n := 0
	c.ReceiveFlows(by, func(_ string, flows []handover.Flow, _ []int) { n += len(flows) })
	c.Send(handover.Message{Kind: handover.Failed, Why: fmt.Sprintf("it is but a test, with %d flows", n)})
}

// A new binary that has got the flows and then fails leaves them where they were.
func TestFlowsGoOnWhenTheNewBinaryFails(t *testing.T) {
	packets, server := free(t), seenFrom(t)
	s := start(t, t.TempDir(), fmt.Sprintf(`
listeners: { packets: { address: %q, protocol: udp, pool: packets } }
pools: { packets: { servers: [%q] } }
admin: "ADMIN"
logs: { access: off }
`, packets, server))
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(s.program()); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, s.program()); err != nil {
		t.Fatal(err)
	}
	var stop atomic.Bool
	var all sync.WaitGroup
	var sent, lost atomic.Int64
	for range 10 {
		all.Go(func() { keepSending(t, packets, &stop, &sent, &lost) })
	}
	time.Sleep(200 * time.Millisecond)
	before := s.pid()
	for i := range 3 {
		syscall.Kill(before, syscall.SIGUSR2)
		eventually(t, "it has failed", func() bool { return strings.Count(s.log(), "it is but a test, with 10 flows") == i+1 })
	}
	time.Sleep(200 * time.Millisecond)
	stop.Store(true)
	all.Wait()
	t.Logf("%d datagrams, %d lost", sent.Load(), lost.Load())
	if s.pid() != before || lost.Load()*10_000 > sent.Load() || sent.Load() < 2000 {
		t.Errorf("%d of %d datagrams were lost", lost.Load(), sent.Load())
	}
}

// A flow whose server the new configuration has not ends with its reason, and its client gets another.
func TestFlowEndsWhenTheNewConfigurationHasNotItsServer(t *testing.T) {
	packets := free(t)
	config := func(server string) string {
		return fmt.Sprintf(`
listeners: { packets: { address: %q, protocol: udp, pool: packets } }
pools: { packets: { servers: [%q] } }
admin: "ADMIN"
logs: { access: { file: DIR/access.log, format: "{received} {sent} {server} {reason}" } }
`, packets, server)
	}
	first, second := seenFrom(t), seenFrom(t)
	s := start(t, t.TempDir(), config(first))
	c, err := net.Dial("udp", packets)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	question := binary.BigEndian.AppendUint64(nil, 1)
	sent := 0
	for range 3 {
		sent += len(ask(t, c, question))
	}
	s.write(config(second))
	s.replace()
	ask(t, c, question)
	want := fmt.Sprintf("24 %d %s weir.flow.server_gone\n", sent, first)
	eventually(t, "the log has the flow", func() bool {
		text, _ := os.ReadFile(filepath.Join(s.dir, "access.log"))
		return string(text) == want
	})
	if f := s.status().Flows; f.Open != 1 || f.Reasons["weir.flow.server_gone"] != 1 {
		t.Errorf("%+v", f)
	}
}

func ask(t *testing.T, c net.Conn, question []byte) []byte {
	t.Helper()
	b := make([]byte, 100)
	c.SetDeadline(time.Now().Add(2 * time.Second))
	c.Write(question)
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:n]
}
