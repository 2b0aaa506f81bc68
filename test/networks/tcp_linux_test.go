package networks

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// tells runs a server on the host that says who connected, and ends.
func (h *host) tells(address string) {
	h.t.Helper()
	l := h.listen("tcp", address)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			from, _, _ := net.SplitHostPort(c.RemoteAddr().String())
			fmt.Fprintf(c, "%s was asked by %s", h.name, from)
			c.Close()
		}
	}()
}

// hear connects, and returns all that is said.
func (h *host) hear(address string) string {
	c, err := h.dial("tcp", address)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	text, err := io.ReadAll(c)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

const layer4 = `
listeners:
  front:    { address: ":7000", protocol: tcp, pool: shown }
  captured: { address: ":7001", protocol: tcp, pool: original, capture: { mode: tproxy, ports: [7100-7199], interfaces: [inside], install: on } }
  turned:   { address: ":7002", protocol: tcp, pool: original, capture: { mode: redirect, ports: [7200], interfaces: [inside], install: on } }
pools:
  shown:    { servers: ["10.2.0.2:7100"], source: client }
  original: { source: client }
network: on
admin: off
logs: { access: off }
`

// Connections of any protocol, not only requests: under the client's address, captured, and where the client wanted to go.
func TestConnectionsAreCapturedAndShownToo(t *testing.T) {
	client, weir, server := between(t)
	for _, port := range []string{":7100", ":7150", ":7200", ":7300"} {
		server.tells(port)
	}
	w := weir.weir(layer4)
	for address, want := range map[string]string{
		"10.1.0.1:7000":  "server was asked by 10.1.0.2", // proxied, under the client's address
		"10.2.0.2:7100":  "server was asked by 10.1.0.2",
		"10.2.0.2:7150":  "server was asked by 10.1.0.2",
		"[fd02::2]:7150": "server was asked by fd01::2",
		"10.2.0.2:7200":  "server was asked by 10.1.0.2",
		"[fd02::2]:7200": "server was asked by fd01::2",
		"10.2.0.2:7300":  "server was asked by 10.1.0.2", // not captured
	} {
		if got := client.hear(address); got != want {
			t.Errorf("%s: got %q, want %q", address, got, want)
		}
	}
	began := time.Now()
	if got := client.hear("10.1.0.1:7001"); strings.HasPrefix(got, "server") || time.Since(began) > time.Second {
		t.Errorf("who came to weir itself is not sent away at once: %q after %v", got, time.Since(began))
	}
	w.stop()
	if got, want := client.hear("10.2.0.2:7100"), "server was asked by 10.1.0.2"; got != want {
		t.Errorf("after weir has stopped: %q", got)
	}
	weir.isClean(t)
}
