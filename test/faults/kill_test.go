package faults

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

// echoing is a server that sends back what it gets. shut has it take no further connection; those that are there go on.
func echoing(t *testing.T) (address string, shut func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String(), func() { l.Close() }
}

// A tunnelled is a client of an echoing server.
type tunnelled struct {
	net.Conn
	t *testing.T
}

func openTunnel(t *testing.T, address string) *tunnelled {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	k := &tunnelled{c, t}
	if !k.lives() {
		t.Fatal("no echo")
	}
	return k
}

// lives reports whether the tunnel carries a byte there and back.
func (k *tunnelled) lives() bool {
	k.SetDeadline(time.Now().Add(2 * time.Second))
	io.WriteString(k, "x")
	_, err := io.ReadFull(k, make([]byte, 1))
	return err == nil
}

// ends reports whether the tunnel ends within two seconds, while nobody says anything.
func (k *tunnelled) ends() bool {
	k.SetDeadline(time.Now().Add(2 * time.Second))
	_, err := k.Read(make([]byte, 1))
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

func TestTunnelsOfAServerThatIsDownEndWhereThePoolSaysSo(t *testing.T) {
	for _, onDown := range []string{"keep", "close"} {
		at, shut := echoing(t)
		other, _ := echoing(t)
		s := start(t, `
listeners:
  front: { address: "FRONT" }
  second: { address: "SECOND", protocol: tcp, pool: echo }
pools:
  echo: { servers: ["`+at+`", "`+other+`"], balance: first, on_down: `+onDown+`, health: { type: tcp, every: 200ms, rise: 1, fall: 1 } }
sites: { "*": { respond: 200 } }
admin: "ADMIN"
`)
		within(t, 5*time.Second, "the checks", func() bool { return s.status().Pools[0].Servers[0].Health == "up" })
		k := openTunnel(t, s.address["SECOND"])
		shut()
		within(t, 5*time.Second, "the server to be down", func() bool { return s.status().Pools[0].Servers[0].Health == "down" })
		if onDown == "close" && !k.ends() || onDown == "keep" && !k.lives() {
			t.Errorf("on_down: %s is not obeyed", onDown)
		}
		if !openTunnel(t, s.address["SECOND"]).lives() {
			t.Error("the other server has no echo")
		}
		if n := s.status().Tunnels.Reasons["weir.tunnel.server_down"]; (n == 1) != (onDown == "close") {
			t.Errorf("on_down: %s: %d tunnels ended for it", onDown, n)
		}
	}
}

func TestTheOperatorEndsConnections(t *testing.T) {
	at, _ := echoing(t)
	busy := make(chan struct{}, 10)
	hangs := peersServe(t, func(w http.ResponseWriter, r *http.Request) {
		busy <- struct{}{}
		<-r.Context().Done()
	})
	answers := peersServe(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "well") })
	s := start(t, `
listeners:
  front: { address: "FRONT" }
  second: { address: "SECOND", protocol: tcp, pool: echo }
pools:
  echo: { servers: ["`+at+`"] }
  web: { servers: ["`+hangs+`", "`+answers+`"], balance: first }
sites: { "*": web }
admin: "ADMIN"
`)
	kill := func(want int, args ...string) {
		t.Helper()
		if out, status := s.weir(append([]string{"kill"}, args...)...); status != 0 || !strings.Contains(out, fmt.Sprintf("%d ended", want)) {
			t.Errorf("kill %v: %d %s", args, status, out)
		}
	}
	k := openTunnel(t, s.address["SECOND"])
	kill(0, hangs)
	if !k.lives() {
		t.Error("a tunnel to another server has ended")
	}
	kill(1, at)
	if !k.ends() {
		t.Error("the tunnel to the server goes on")
	}
	answered := make(chan string, 1)
	go func() {
		response, err := http.Get("http://" + s.address["FRONT"] + "/")
		if err != nil {
			answered <- err.Error()
			return
		}
		text, _ := io.ReadAll(response.Body)
		answered <- string(text)
	}()
	<-busy
	kill(1, hangs)
	if got := <-answered; got != "well" {
		t.Errorf("the request that lost its server got %q", got)
	}
	k = openTunnel(t, s.address["SECOND"])
	c := dial(t, s.address["FRONT"])
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	<-busy
	kill(0, at, "--client", "192.0.2.1")
	kill(2, "127.0.0.1")
	if !k.ends() {
		t.Error("the client's tunnel goes on")
	}
	if _, err := c.answer(); err == nil {
		t.Error("the client's request goes on")
	}
	if out, status := s.weir("kill", "192.0.2.1:1"); status != 1 || !strings.Contains(out, "no server") {
		t.Errorf("an unknown server: %d %s", status, out)
	}
	if x := s.status().Pools[1].Servers[0]; x.Outcomes["cancelled"] != 2 || x.InFlight != 0 {
		t.Errorf("%v, %d in flight", x.Outcomes, x.InFlight)
	}
}

func peersServe(t *testing.T, h http.HandlerFunc) string {
	return peers.ServeHTTP(t, &http.Server{Handler: h})
}
