package steady

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/weir-proxy/weir/test/peers"
)

// weirBinary builds weir when the first test asks for it: not before m.Run, see peers.BuildWeir.
var weirBinary func() (string, error)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "weir-steady-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	weirBinary = sync.OnceValues(func() (string, error) { return peers.BuildWeir(dir) })
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

const originConfig = `
daemon off;
pid nginx.pid;
USER
error_log stderr crit;
worker_processes 2;
events { worker_connections 1024; }
http {
    access_log off;
    server_tokens off;
    keepalive_timeout 600s;
    keepalive_requests 1000000000;
    client_body_temp_path body;
    open_file_cache max=10 inactive=600s;
    server {
        listen ORIGIN reuseport;
        root .;
    }
}
`

const weirConfig = `
listeners:
  front: { address: "FRONT" }
pools:
  web: { servers: ["ORIGIN"] }
sites:
  "*": web
admin: "ADMIN"
MORE
`

// start starts an nginx with a small file and a weir before it, with more in its configuration.
func start(t *testing.T, more string) (weir *peers.Process, address string) {
	t.Helper()
	binary, err := weirBinary()
	if err != nil {
		t.Fatal(err)
	}
	addresses, err := peers.FreeAddresses(3)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "small"), make([]byte, 128), 0o644); err != nil {
		t.Fatal(err)
	}
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;" // its workers would not be let into the test's directory
	}
	fill := strings.NewReplacer("FRONT", addresses[0], "ORIGIN", addresses[1], "ADMIN", addresses[2], "USER", user, "MORE", more).Replace
	nginx, err := peers.Nginx(dir, fill(originConfig), addresses[1])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nginx.Stop() })
	weir, err = peers.Weir(binary, t.TempDir(), fill(weirConfig), addresses[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := weir.Stop(); err != nil {
			t.Error(err)
		}
	})
	return weir, addresses[0]
}

func dial(address string) func() (net.Conn, error) {
	return func() (net.Conn, error) { return net.Dial("tcp", address) }
}
