package networks

import (
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// accepts are the connections that a host accepts at an address, and that say hello: those of health checks do not.
func (h *host) accepts(t *testing.T, address string) <-chan net.Conn {
	t.Helper()
	l := h.listen("tcp", address)
	conns := make(chan net.Conn, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				said := make([]byte, len(hello))
				if _, err := io.ReadFull(c, said); err != nil || string(said) != hello {
					c.Close()
					return
				}
				conns <- c
			}()
		}
	}()
	return conns
}

const hello = "hello"

// joined is a connection as both ends have it.
type joined struct{ client, server net.Conn }

// join says hello on a connection, and finds out which server has it.
func join(t *testing.T, c net.Conn, servers []<-chan net.Conn) (j joined, at int) {
	t.Helper()
	t.Cleanup(func() { c.Close() })
	if _, err := c.Write([]byte(hello)); err != nil {
		t.Fatal(err)
	}
	for by := time.Now().Add(5 * time.Second); time.Now().Before(by); time.Sleep(time.Millisecond) {
		for i, s := range servers {
			select {
			case accepted := <-s:
				t.Cleanup(func() { accepted.Close() })
				return joined{c, accepted}, i
			default:
			}
		}
	}
	t.Fatalf("the connection from %v comes to no server", c.LocalAddr())
	return joined{}, 0
}

// rejoin connects from the same port as an earlier connection.
func (h *host) rejoin(t *testing.T, from net.Addr, to string, servers []<-chan net.Conn) (j joined) {
	t.Helper()
	var c net.Conn
	h.do(func() (err error) {
		d := net.Dialer{LocalAddr: from, Timeout: 3 * time.Second}
		c, err = d.Dial("tcp", to)
		return err
	})
	j, _ = join(t, c, servers)
	return j
}

// joinAt connects until the connection is to one of the servers.
func (h *host) joinAt(t *testing.T, to string, at int, servers []<-chan net.Conn) joined {
	t.Helper()
	for range 200 {
		c, err := h.dial("tcp", to)
		if err != nil {
			t.Fatal(err)
		}
		j, i := join(t, c, servers)
		if i == at {
			return j
		}
		j.client.Close()
		j.server.Close()
	}
	t.Fatalf("no connection comes to server %d", at)
	return joined{}
}

// lives checks that bytes pass in both directions.
func (j joined) lives(t *testing.T, what string) {
	t.Helper()
	for _, c := range [][2]net.Conn{{j.client, j.server}, {j.server, j.client}} {
		c[0].SetDeadline(time.Now().Add(5 * time.Second))
		c[1].SetDeadline(time.Now().Add(5 * time.Second))
		got := make([]byte, 4)
		if _, err := c[0].Write([]byte("ping")); err != nil {
			t.Errorf("%s: %v", what, err)
		} else if _, err := io.ReadFull(c[1], got); err != nil || string(got) != "ping" {
			t.Errorf("%s: %q, %v", what, got, err)
		}
	}
}

// isReset has an end send, and reports whether that is answered with a reset.
func isReset(t *testing.T, c net.Conn, what string) {
	t.Helper()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	_, err := c.Write([]byte("are you there?")) // which is told of a reset that an acknowledgement has had before
	if err == nil {
		_, err = io.Copy(io.Discard, c)
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%s: %v, and not a reset", what, err)
	}
}

const endedNAT = `
listeners:
  web:  { address: "10.1.0.1:90", protocol: tcp, pool: web }
  web6: { address: "[fd01::1]:90", protocol: tcp, pool: web6 }
pools:
  web:  { servers: ["10.2.0.2:9000", "10.2.0.3:9000"], mode: nat, OPTIONS health: { type: tcp, every: 100ms, timeout: 100ms, fall: 1, rise: 1 } }
  web6: { servers: ["[fd02::2]:9000", "[fd02::3]:9000"], mode: nat }
admin: { socket: DIR/admin.sock }
data: DIR/data
logs: { access: off }
`

func (h *host) kill(t *testing.T, w *process, args ...string) string {
	t.Helper()
	out, good := h.weirCommand(w.Dir, append([]string{"kill", "--address", filepath.Join(w.Dir, "admin.sock")}, args...)...)
	if !good {
		t.Errorf("weir kill %v: %s", args, out)
	}
	return out
}

// isWhole has weir doctor find nothing missing in the kernel: what refuses ended connections is no damage that another program has done.
func (h *host) isWhole(t *testing.T, w *process) {
	t.Helper()
	if list, _ := h.examine(w); find(list, "running weir", "has in the kernel all") == nil {
		t.Errorf("weir doctor: %+v", list)
	}
}

// What the kernel carries is ended, too: both ends find out when they next send, connections of other servers and clients live on, and the same client may connect again.
func TestKillEndsConnectionsThatTheKernelRewrites(t *testing.T) {
	for name, options := range map[string]string{"plain": "", "kept": "on_stop: keep,", "source NAT": "snat: on,"} {
		t.Run(name, func(t *testing.T) {
			client, weir, servers := farm(t)
			at := []<-chan net.Conn{servers[0].accepts(t, ":9000"), servers[1].accepts(t, ":9000")}
			w := weir.weir(strings.ReplaceAll(endedNAT, "OPTIONS", options))
			one, other, six := client.joinAt(t, "10.1.0.1:90", 1, at), client.joinAt(t, "10.1.0.1:90", 0, at), client.joinAt(t, "[fd01::1]:90", 1, at)
			one.lives(t, "before")
			if out := weir.kill(t, w, "10.2.0.3:9000", "--client", "10.1.0.9"); !strings.Contains(out, ": 0 ended") {
				t.Errorf("of another client: %s", out)
			}
			one.lives(t, "a connection that is not another client's")
			weir.kill(t, w, "10.2.0.3:9000", "--client", "10.1.0.2")
			isReset(t, one.client, "the client")
			isReset(t, one.server, "the server")
			other.lives(t, "the other server's")
			six.lives(t, "the other family's")
			again := client.rejoin(t, one.client.LocalAddr(), "10.1.0.1:90", at)
			again.lives(t, "from the same port again")
			if out := weir.kill(t, w, "fd01::2"); strings.Contains(out, ": 0 ended") {
				t.Errorf("a client of IPv6: %s", out)
			}
			isReset(t, six.server, "the server over IPv6")
			isReset(t, six.client, "the client over IPv6")
			other.lives(t, "the other server's, at the end")
			weir.isWhole(t, w)
			w.stop()
			if list, _ := weir.examine(w); find(list, "running weir", "") != nil {
				t.Errorf("weir doctor, after the stop: %+v", list)
			}
		})
	}
}

// A server that is found down loses what the kernel carries to it, if its pool says so.
func TestOnDownCloseEndsConnectionsThatTheKernelRewrites(t *testing.T) {
	for _, mode := range []string{"close", "keep"} {
		t.Run(mode, func(t *testing.T) {
			client, weir, servers := farm(t)
			at := []<-chan net.Conn{servers[0].accepts(t, ":9000"), servers[1].accepts(t, ":9000")}
			w := weir.weir(strings.ReplaceAll(endedNAT, "OPTIONS", "on_down: "+mode+","))
			one, other := client.joinAt(t, "10.1.0.1:90", 1, at), client.joinAt(t, "10.1.0.1:90", 0, at)
			servers[1].command("nft add table ip out && nft 'add chain ip out in { type filter hook input priority 0; }' && nft 'add rule ip out in tcp dport 9000 tcp flags syn / syn,ack reject with tcp reset'")
			within(t, 5*time.Second, "the server to be down", func() bool { return strings.Contains(w.out.String(), "server is down") })
			if mode == "keep" {
				one.lives(t, "a connection that is to be kept")
				return
			}
			within(t, 5*time.Second, "its connections to be ended", func() bool { return strings.Contains(w.out.String(), "their server is down") })
			isReset(t, one.client, "the client")
			isReset(t, one.server, "the server")
			other.lives(t, "the other server's")
		})
	}
}

const endedDirect = `
listeners:
  web:  { address: "10.2.0.100:9000", protocol: tcp, pool: web }
  web6: { address: "[fd02::100]:9000", protocol: tcp, pool: web6 }
pools:
  web:  { servers: ["10.2.0.2:9000", "10.2.0.3:9000"], mode: direct, interface: eth0 }
  web6: { servers: ["[fd02::2]:9000", "[fd02::3]:9000"], mode: direct, interface: eth0 }
admin: { socket: DIR/admin.sock }
data: DIR/data
logs: { access: off }
`

// With direct return, the client's next packet is answered with a reset, and the server's is by the client.
func TestKillEndsConnectionsOfDirectReturn(t *testing.T) {
	client, weir, servers := switched(t)
	at := []<-chan net.Conn{servers[0].accepts(t, ":9000"), servers[1].accepts(t, ":9000")}
	w := weir.weir(endedDirect)
	for _, c := range []struct{ to, server, client string }{{"10.2.0.100:9000", "10.2.0.3:9000", "10.2.0.9"}, {"[fd02::100]:9000", "[fd02::3]:9000", "fd02::9"}} {
		within(t, 10*time.Second, "both servers to be found", func() bool {
			c, err := client.dial("tcp", c.to)
			if err != nil {
				return false
			}
			_, i := join(t, c, at)
			return i == 1
		})
		one, other := client.joinAt(t, c.to, 1, at), client.joinAt(t, c.to, 0, at)
		one.lives(t, "before")
		if out := weir.kill(t, w, c.server); strings.Contains(out, ": 0 ended") {
			t.Errorf("%s: %s", c.server, out)
		}
		isReset(t, one.client, "the client")
		isReset(t, one.server, "the server")
		other.lives(t, "the other server's")
		client.rejoin(t, one.client.LocalAddr(), c.to, at).lives(t, "from the same port again")
		weir.kill(t, w, c.client)
		isReset(t, other.client, "the client's other connection")
		weir.isWhole(t, w)
	}
	w.stop()
}

const besideOwn = `
listeners:
  all:  { address: ":80-90", protocol: tcp, pool: web }
  own:  { address: "10.1.0.1:85", protocol: tcp, pool: carried }
  own6: { address: "[fd01::1]:85", protocol: tcp, pool: carried }
pools:
  web:     { servers: ["10.2.0.2:8080", "[fd02::2]:8080"], mode: nat }
  carried: { servers: ["10.2.0.3:8080", "[fd02::3]:8080"] }
admin: off
logs: { access: off }
`

// A service of all addresses does not take what comes to an address that weir itself listens on.
func TestAServiceOfAllAddressesLeavesWeirsOwn(t *testing.T) {
	client, weir, _ := farm(t)
	w := weir.weir(besideOwn)
	holds := func(url, by string) {
		t.Helper()
		if got := client.get(url); !strings.HasPrefix(got, "200") || !strings.HasSuffix(got, by) {
			t.Errorf("%s: %q, expected %s", url, got, by)
		}
	}
	holds("http://10.1.0.1:85/", "") // by weir, to any server
	holds("http://10.1.0.1:84/", "server2 was asked by 10.1.0.2")
	holds("http://10.2.0.1:85/", "server2 was asked by 10.1.0.2")
	holds("http://[fd01::1]:84/", "server2 was asked by fd01::2")
	for range 4 {
		if got := client.get("http://10.1.0.1:85/"); !strings.HasPrefix(got, "200 server3 ") || strings.HasSuffix(got, " 10.1.0.2") {
			t.Errorf("weir's own address: %q", got)
		}
		if got := client.get("http://[fd01::1]:85/"); !strings.HasPrefix(got, "200 server3 ") || strings.HasSuffix(got, " fd01::2") {
			t.Errorf("weir's own address of IPv6: %q", got)
		}
	}
	w.reload(t, strings.ReplaceAll(besideOwn, `  own:  { address: "10.1.0.1:85", protocol: tcp, pool: carried }`, ""))
	holds("http://10.1.0.1:85/", "server2 was asked by 10.1.0.2")
	w.stop()
	weir.isClean(t)
}
