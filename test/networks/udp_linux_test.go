package networks

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// echoes answers datagrams on the host with who sent them, and what.
func (h *host) echoes(address string) {
	h.t.Helper()
	h.answers(address, func(from string, said []byte) []byte {
		host, _, _ := net.SplitHostPort(from)
		return fmt.Appendf(nil, "%s: %s says %s", h.name, host, said)
	})
}

// answers answers datagrams on the host; nil is no answer.
func (h *host) answers(address string, answer func(from string, said []byte) []byte) {
	h.t.Helper()
	var c net.PacketConn
	h.do(func() (err error) {
		c, err = net.ListenPacket("udp", address)
		return err
	})
	h.t.Cleanup(func() { c.Close() })
	go func() {
		b := make([]byte, 2048)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			if out := answer(from.String(), b[:n]); out != nil {
				c.WriteTo(out, from)
			}
		}
	}()
}

// says sends a datagram on a connected socket, which takes answers from there alone.
func says(c net.Conn, text string) string {
	c.SetDeadline(time.Now().Add(10 * time.Second)) // IPv6 may have to look for its neighbours first
	if _, err := c.Write([]byte(text)); err != nil {
		return err.Error()
	}
	b := make([]byte, 2048)
	n, err := c.Read(b)
	if err != nil {
		return err.Error()
	}
	return string(b[:n])
}

const datagrams = `
listeners:
  front:    { address: ":7000", protocol: udp, pool: shown }
  captured: { address: ":7001", protocol: udp, pool: original, capture: { mode: tproxy, ports: [7100-7199], interfaces: [inside], install: on } }
pools:
  shown:    { servers: ["10.2.0.2:7100"], source: client }
  original: { source: client }
network: on
admin: off
logs: { access: { file: DIR/access.log, format: "{client} {dest} {server} {reason}" } }
`

// Datagrams, too: under the client's address, captured, answered from where the client wanted to go.
func TestDatagramsAreCapturedAndShownToo(t *testing.T) {
	client, weir, server := between(t)
	for _, address := range []string{":7100", ":7150", ":7300"} {
		server.echoes(address)
	}
	w := weir.weir(datagrams)
	for address, from := range map[string]string{
		"10.1.0.1:7000":  "10.1.0.2", // proxied, under the client's address
		"10.2.0.2:7100":  "10.1.0.2",
		"10.2.0.2:7150":  "10.1.0.2",
		"[fd02::2]:7150": "fd01::2",
		"10.2.0.2:7300":  "10.1.0.2", // not captured
	} {
		c, err := client.dial("udp", address)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 5 {
			text := fmt.Sprintf("%d to %s", i, address)
			if got, want := says(c, text), "server: "+from+" says "+text; got != want {
				t.Errorf("%s: got %q, want %q", address, got, want)
			}
		}
		c.Close()
	}
	// Many clients of one port each have their own flow and their own answers.
	for i := range 50 {
		c, err := client.dial("udp", "10.2.0.2:7150")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if got, want := says(c, fmt.Sprint(i)), fmt.Sprintf("server: 10.1.0.2 says %d", i); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	w.stop()
	log, _ := os.ReadFile(filepath.Join(w.Dir, "access.log"))
	if !strings.Contains(string(log), "10.1.0.2 10.2.0.2:7150 10.2.0.2:7150 ") || !strings.Contains(string(log), "fd01::2 [fd02::2]:7150 [fd02::2]:7150 ") {
		t.Errorf("the log: %.2000s", log)
	}
	c, err := client.dial("udp", "10.2.0.2:7100")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, want := says(c, "x"), "server: 10.1.0.2 says x"; got != want {
		t.Errorf("after weir has stopped: %q", got)
	}
	weir.isClean(t)
}
