package networks

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/test/peers"
)

const (
	flowsMost   = 2000
	flooding    = 200_000
	floodsAtOne = 20_000
	warmingUp   = 120_000
)

const flooded = `
listeners: { front: { address: "10.1.0.1:7000", protocol: udp, pool: echo, udp: { flows: %d } } }
pools: { echo: { servers: ["10.2.0.2:7100"] } }
admin: "ADMIN"
logs: { access: off }
`

// A flood of datagrams from 200,000 addresses, which are a network behind the client's machine: the table stays as large as it may be, memory flat, and who was there
// before is served.
func TestFloodFromManySources(t *testing.T) {
	client, weir, server := between(t)
	weir.route("10.4.0.0/14", "10.1.0.2")
	client.owns("10.4.0.0/14")
	sources := map[netAddress]bool{}
	server.echoesBut("flood", ":7100")
	admin := peers.AdminSocket()
	w := weir.weir(strings.ReplaceAll(fmt.Sprintf(flooded, flowsMost), "ADMIN", admin))
	var old []net.Conn
	for i := range 10 {
		c, err := client.dial("udp", "10.1.0.1:7000")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for range 3 {
			answered(t, c, fmt.Sprint("client ", i))
		}
		old = append(old, c)
	}
	p := client.packets()
	rush := func(part int) {
		for i := range floodsAtOne {
			source := netAddress(binary.BigEndian.AppendUint32(nil, 10<<24|4<<16+uint32(1+part*floodsAtOne+i)))
			sources[source] = true
			if _, err := p.WriteTo([]byte("flood"), &ipv4.ControlMessage{Src: source[:]}, &net.UDPAddr{IP: net.IPv4(10, 1, 0, 1), Port: 7000}); err != nil {
				t.Fatal(err)
			}
			if i%500 == 499 {
				time.Sleep(5 * time.Millisecond) // up to 100,000 in a second
			}
		}
	}
	// A flow that has ended is some 370 bytes of garbage, and the collector comes when the heap, of 8 MB, has grown to five times that, after 90,000 of them: before
	// it has, the heap grows to where it stays.
	for range warmingUp / floodsAtOne {
		rush(0)
	}
	clear(sources)
	before, highest := w.resident(t), int64(0)
	for part := range flooding / floodsAtOne {
		rush(part)
		for i, c := range old {
			answered(t, c, fmt.Sprint("client ", i))
		}
		highest = max(highest, w.resident(t))
	}
	f := status(t, admin).Flows
	t.Logf("%d addresses, %d flows begun, %d open; %.1f MiB before, at most %.1f more", len(sources), f.Opened, f.Open, float64(before)/(1<<20), float64(highest-before)/(1<<20))
	if len(sources) != flooding || f.Opened < (flooding+warmingUp)*9/10 {
		t.Errorf("%d flows begun of %d addresses, %v", f.Opened, len(sources), f.Reasons)
	}
	if f.Open > flowsMost || f.Open < flowsMost/2 || f.Reasons["weir.flow.evicted"] < f.Opened-flowsMost-10 {
		t.Errorf("%d flows, want up to %d; %v", f.Open, flowsMost, f.Reasons)
	}
	if highest > before+16<<20 {
		t.Errorf("%d MiB more memory", (highest-before)>>20)
	}
}

type netAddress [4]byte

// owns has the host take a whole network for its own: it may send from any address of it.
func (h *host) owns(network string) {
	h.t.Helper()
	h.do(func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		_, to, err := net.ParseCIDR(network)
		if err != nil {
			return err
		}
		return netlink.RouteAdd(&netlink.Route{Dst: to, LinkIndex: lo.Attrs().Index, Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_LOCAL, Scope: netlink.SCOPE_HOST})
	})
}

// packets is a socket that sends from any of the host's addresses.
func (h *host) packets() *ipv4.PacketConn {
	h.t.Helper()
	var c net.PacketConn
	h.do(func() (err error) {
		c, err = net.ListenPacket("udp4", "0.0.0.0:0")
		return err
	})
	h.t.Cleanup(func() { c.Close() })
	return ipv4.NewPacketConn(c)
}

// echoesBut answers every datagram but the one that says text.
func (h *host) echoesBut(text, address string) {
	h.t.Helper()
	h.answers(address, func(_ string, said []byte) []byte {
		if string(said) == text {
			return nil
		}
		return said
	})
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

// status is what the weir with this admin socket says of itself.
func status(t *testing.T, admin string) *api.Status {
	t.Helper()
	response, err := peers.AskAdmin(admin, "/status")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	st := &api.Status{}
	if err := json.NewDecoder(response.Body).Decode(st); err != nil {
		t.Fatal(err)
	}
	return st
}

// resident is the memory of the program.
func (p *process) resident(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	var size, pages int64
	fmt.Sscan(string(text), &size, &pages)
	return pages * int64(os.Getpagesize())
}
