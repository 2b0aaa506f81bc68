package faults

import (
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/test/peers"
)

// By turns: least_latency sends a server that fails so little that it takes seconds until there is enough to eject it for.
const threeServers = `
listeners:
  front: { address: "FRONT" }
pools:
  web: { servers: [SERVERS], balance: round_robin, eject: { time: 2s } }
sites:
  "*": web
admin: "ADMIN"
logs: { access: off }
`

const smallNginx = `
daemon off;
master_process off;
pid nginx.pid;
error_log stderr crit;
events { }
http {
    access_log off;
    client_body_temp_path body;
    server { listen ORIGIN; location / { return 200 hello; } }
}
`

func TestAServerKilledUnderLoad(t *testing.T) {
	addresses, err := peers.FreeAddresses(3)
	if err != nil {
		t.Fatal(err)
	}
	begin := func(address string) *peers.Process {
		p, err := peers.Nginx(t.TempDir(), strings.ReplaceAll(smallNginx, "ORIGIN", address), address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Stop() })
		return p
	}
	servers := []*peers.Process{}
	for _, address := range addresses {
		servers = append(servers, begin(address))
	}
	outlive(t, addresses, func() {
		if err := syscall.Kill(-servers[1].Pid(), syscall.SIGKILL); err != nil {
			t.Error(err)
		}
	}, func() { begin(addresses[1]) })
}

func TestAServerThatResetsUnderLoad(t *testing.T) {
	var addresses []string
	var rude atomic.Bool
	for i := range 3 {
		r := &resetting{rude: &rude}
		if i != 1 {
			r.rude = new(atomic.Bool)
		}
		addresses = append(addresses, r.start(t))
	}
	outlive(t, addresses, func() { rude.Store(true) }, func() { rude.Store(false) })
}

// outlive breaks the second of three servers under load and makes it whole again. No client may notice either.
func outlive(t *testing.T, addresses []string, breakIt, mend func()) {
	s := start(t, strings.ReplaceAll(threeServers, "SERVERS", `"`+strings.Join(addresses, `", "`)+`"`))
	victim := func() *api.Server { return &s.status().Pools[0].Servers[1] }
	good := run(16, 3*time.Millisecond, keepAlive(t, s.address["FRONT"], "/"))
	others := run(2, 5*time.Millisecond, newConnections(s.address["FRONT"], "/"))
	within(t, 5*time.Second, "every server to work", func() bool {
		for _, server := range s.status().Pools[0].Servers {
			if server.Requests < 50 {
				return false
			}
		}
		return true
	})
	breakIt()
	began := time.Now()
	within(t, 3*time.Second, "the server to be ejected", func() bool { return victim().Ejections > 0 })
	t.Logf("ejected after %v", time.Since(began))
	if took := time.Since(began); took > 1500*time.Millisecond {
		t.Errorf("ejected after %v, want about a second", took)
	}
	time.Sleep(500 * time.Millisecond)
	mend()
	mended := victim().Requests
	within(t, 10*time.Second, "the server to work again", func() bool { return victim().Requests > mended+50 })
	time.Sleep(200 * time.Millisecond)
	asked := good.end(t) + others.end(t)
	t.Logf("%d requests, %d of them sent again", asked, s.status().Exchanges.Retries)
	if asked < 1000 {
		t.Errorf("only %d requests", asked)
	}
}

// resetting is a server that can turn to resetting every connection on which something comes.
type resetting struct {
	rude *atomic.Bool
}

func (r *resetting) start(t *testing.T) (address string) { return peers.Serve(t, r.serve) }

func (r *resetting) serve(c *net.TCPConn) {
	defer c.Close()
	buf := make([]byte, 4096)
	for {
		if _, err := c.Read(buf); err != nil {
			return
		}
		if r.rude.Load() {
			c.SetLinger(0)
			return
		}
		if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"); err != nil {
			return
		}
	}
}
