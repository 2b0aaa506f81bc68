package faults

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

// besideNginx and besideHAProxy are what their manuals give for three servers that are checked and kept-open connections to them.
const besideNginx = `
daemon off;
pid nginx.pid;
error_log stderr crit;
worker_processes 2;
events { worker_connections 4096; }
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    keepalive_requests 1000000;
    upstream web { SERVERS keepalive 16; }
    server {
        listen FRONT reuseport;
        location / { proxy_pass http://web; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_connect_timeout 1s; }
    }
}
`

const besideHAProxy = `
global
    nbthread 2
    stats socket DIR/haproxy.sock mode 600 level admin expose-fd listeners
defaults
    mode http
    timeout connect 1s
    timeout client 60s
    timeout server 60s
    retries 3
    option redispatch
    default-server check inter 500ms
frontend front
    bind FRONT
    default_backend web
backend web
    option httpchk GET /
SERVERS
`

const besideWeir = `
listeners: { front: { address: "FRONT" } }
pools: { web: { servers: [SERVERS], health: { path: /, every: 500ms }, timeouts: { connect: 1s } } }
sites: { "*": web }
admin: "ADMIN"
logs: { access: off }
`

// A rival is a proxy with three servers, that can be told to read its configuration again.
type rival struct {
	name   string
	config string
	server string // a line for each server
	start  func(dir, config, front string) (*peers.Process, error)
	reload syscall.Signal
}

func rivals(t *testing.T) []rival {
	return []rival{
		{"nginx", besideNginx, "server %s;", func(dir, config, front string) (*peers.Process, error) {
			return peers.Nginx(dir, config, front)
		}, syscall.SIGHUP},
		{"HAProxy", besideHAProxy, "    server s%[2]d %[1]s\n", func(dir, config, front string) (*peers.Process, error) {
			path, err := peers.Find("haproxy")
			if err != nil {
				return nil, err
			}
			file := filepath.Join(dir, "haproxy.cfg")
			if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
				return nil, err
			}
			// With a master process, and its sockets handed over, as its manual has it for reloads without losses.
			return peers.Start("haproxy", dir, exec.Command(path, "-W", "-f", file, "-x", filepath.Join(dir, "haproxy.sock")), front)
		}, syscall.SIGUSR2},
		{"weir", besideWeir, "%q, ", func(dir, config, front string) (*peers.Process, error) {
			binary, err := peers.WeirBinary()
			if err != nil {
				return nil, err
			}
			return peers.Weir(binary, dir, config, front)
		}, syscall.SIGHUP},
	}
}

// begin starts the proxy before three small servers.
func (r *rival) begin(t *testing.T) (p *peers.Process, front string, servers []*peers.Process, again func(i int)) {
	t.Helper()
	free, err := peers.FreeAddresses(5)
	if err != nil {
		t.Fatal(err)
	}
	front = free[0]
	nginx := func(address string) *peers.Process {
		p, err := peers.Nginx(t.TempDir(), strings.ReplaceAll(smallNginx, "ORIGIN", address), address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Stop() })
		return p
	}
	var written strings.Builder
	for i, address := range free[2:] {
		servers = append(servers, nginx(address))
		line := r.server
		if strings.Contains(line, "[2]") {
			fmt.Fprintf(&written, line, address, i)
		} else {
			fmt.Fprintf(&written, line, address)
		}
	}
	dir := t.TempDir()
	config := strings.NewReplacer("SERVERS", strings.TrimSuffix(written.String(), ", "), "FRONT", front, "ADMIN", peers.AdminSocket(), "DIR", dir).Replace(r.config)
	if p, err = r.start(dir, config, front); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop() })
	return p, front, servers, func(i int) { nginx(free[2+i]) }
}

// loss is what clients lose that keep their connections, and come back when those end.
type loss struct {
	asked, failed, closed atomic.Int64
	mu                    sync.Mutex
	took                  []time.Duration
	stop                  chan struct{}
	running               sync.WaitGroup
}

func lose(front string) *loss {
	l := &loss{stop: make(chan struct{})}
	for range 16 {
		l.running.Go(func() { l.client(front) })
	}
	return l
}

// client counts a request without a good answer as failed, and a connection that ends without the client's doing as closed.
func (l *loss) client(front string) {
	var c *conn
	for {
		select {
		case <-l.stop:
			if c != nil {
				c.Close()
			}
			return
		case <-time.After(2 * time.Millisecond):
		}
		if c == nil {
			raw, err := net.DialTimeout("tcp", front, time.Second)
			if err != nil {
				l.asked.Add(1)
				l.failed.Add(1)
				continue
			}
			c = &conn{Conn: raw, r: bufio.NewReader(raw)}
		}
		began := time.Now()
		response, _, err := c.get("/")
		l.asked.Add(1)
		l.mu.Lock()
		l.took = append(l.took, time.Since(began))
		l.mu.Unlock()
		if err != nil || response.StatusCode != 200 {
			l.failed.Add(1)
		}
		if err != nil || response.Close {
			l.closed.Add(1)
			c.Close()
			c = nil
		}
	}
}

func (l *loss) end() string {
	close(l.stop)
	l.running.Wait()
	slices.Sort(l.took)
	return fmt.Sprintf("%d of %d requests failed, %d connections were closed, p99 %v", l.failed.Load(), l.asked.Load(), l.closed.Load(), l.took[len(l.took)*99/100])
}

// TestLossesBesidePeers puts what weir promises to nginx and HAProxy as well, so that the documents can say what it is worth.
func TestLossesBesidePeers(t *testing.T) {
	for _, r := range rivals(t) {
		t.Run("reloads/"+r.name, func(t *testing.T) {
			p, front, _, _ := r.begin(t)
			l := lose(front)
			time.Sleep(500 * time.Millisecond)
			for range 10 {
				if err := p.Signal(r.reload); err != nil {
					t.Fatal(err)
				}
				time.Sleep(400 * time.Millisecond)
			}
			t.Logf("10 reloads under load: %s", l.end())
			l.check(t, &r)
		})
		t.Run("a server killed/"+r.name, func(t *testing.T) {
			_, front, servers, again := r.begin(t)
			l := lose(front)
			time.Sleep(500 * time.Millisecond)
			if err := syscall.Kill(-servers[1].Pid(), syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
			again(1)
			time.Sleep(time.Second)
			t.Logf("one of three servers killed under load: %s", l.end())
			l.check(t, &r)
		})
	}
}

func (l *loss) check(t *testing.T, r *rival) {
	t.Helper()
	if l.asked.Load() < 1000 {
		t.Errorf("only %d requests", l.asked.Load())
	}
	if r.name == "weir" && l.failed.Load()+l.closed.Load() > 0 {
		t.Errorf("weir has lost %d requests and closed %d connections", l.failed.Load(), l.closed.Load())
	}
}
