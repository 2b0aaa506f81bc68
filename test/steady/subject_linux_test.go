package steady

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-proxy/weir/test/peers"
)

func TestMain(m *testing.M) { os.Exit(peers.Main(m)) }

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
func start(t *testing.T, more string) (weir *peers.Process, address, admin string) {
	t.Helper()
	binary, err := peers.WeirBinary()
	if err != nil {
		t.Fatal(err)
	}
	addresses, err := peers.FreeAddresses(2)
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
	admin = peers.AdminSocket()
	fill := strings.NewReplacer("FRONT", addresses[0], "ORIGIN", addresses[1], "ADMIN", admin, "USER", user, "MORE", more).Replace
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
	return weir, addresses[0], admin
}

func dial(address string) func() (net.Conn, error) {
	return func() (net.Conn, error) { return net.Dial("tcp", address) }
}
