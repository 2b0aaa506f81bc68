package layer4

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-proxy/weir/control/handover"
	"github.com/weir-proxy/weir/test/peers"
)

// takesNoFlows is a file; where it is, this program takes over as askForAddress says. It holds the address.
const takesNoFlows = "takes-no-flows"

// askForAddress takes over as a weir that takes no flows, and tells whether it can bind an address itself: while flows of the process before answer from it, and once it has asked for it.
func askForAddress(c *handover.Channel) {
	by := time.Now().Add(10 * time.Second)
	state, err := c.ReceiveState(by)
	if err != nil {
		return
	}
	ready := handover.Message{Kind: handover.Ready}
	for address := range state.Listeners {
		ready.Adopted = append(ready.Adopted, address)
	}
	c.Send(ready)
	c.Expect(handover.Go, by)
	c.Send(handover.Message{Kind: handover.Serving})
	orders := handover.NewOrders(c)
	go func() {
		for {
			m, _, err := c.Receive(time.Time{})
			if err != nil {
				return
			}
			orders.Hear(m)
		}
	}()
	<-orders.Taken()
	at, _ := os.ReadFile(takesNoFlows)
	key := "udp:" + string(at)
	for _, fd := range state.Listeners[key] {
		syscall.Close(fd)
	}
	before := canBind(string(at))
	order, _ := json.Marshal(map[string]any{"address": key, "overlapping": true})
	_, err = orders.Ask(by, "release", order)
	fmt.Fprintf(os.Stderr, "bound before: %v, after: %v, %v\n", before, canBind(string(at)), err)
	time.Sleep(time.Second)
}

func canBind(address string) bool {
	c, err := net.ListenPacket("udp", address)
	if err == nil {
		c.Close()
	}
	return err == nil
}

// A process that leaves and has flows still, which answer from the address of their listener, gives that up when the new process asks for it.
func TestAnAddressIsGivenUpForTheNewProcess(t *testing.T) {
	front, packets := free(t), free(t)
	s := start(t, t.TempDir(), fmt.Sprintf(`
listeners:
  front: { address: %q, protocol: tcp, pool: echo }
  packets: { address: %q, protocol: udp, pool: packets }
pools: { echo: { servers: [%q] }, packets: { servers: [%q] } }
admin: "ADMIN"
logs: { access: off }
`, front, packets, peers.Serve(t, echoAndEnd), seenFrom(t)), front)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, takesNoFlows), []byte(packets), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(s.program()); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, s.program()); err != nil {
		t.Fatal(err)
	}
	tunnel, err := net.Dial("tcp", front) // it keeps the process there
	if err != nil {
		t.Fatal(err)
	}
	defer tunnel.Close()
	c, err := net.Dial("udp", packets)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ask(t, c, binary.BigEndian.AppendUint64(nil, 1))
	syscall.Kill(s.pid(), syscall.SIGUSR2)
	eventually(t, "the new process to have asked", func() bool { return strings.Contains(s.log(), "bound before") })
	if !strings.Contains(s.log(), "bound before: false, after: true, <nil>") {
		t.Error("the address was free before it was asked for, or is not after that")
	}
}
