package networks

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-proxy/weir/test/peers"
)

// What people read tells what the kernel does for pools that it carries, and port ranges as one.
func TestStatusTellsWhatTheKernelDoes(t *testing.T) {
	_, weir, _ := farm(t)
	dir := t.TempDir()
	socket := filepath.Join(dir, "admin.sock")
	weir.weirIn(dir, `
listeners:
  kernel:  { address: "10.1.0.1:9000-9009", protocol: tcp, pool: chance }
  hashed:  { address: "10.1.0.1:9010", protocol: tcp, pool: hashed }
  carried: { address: "10.1.0.1:9100-9109", protocol: tcp, pool: carried }
pools:
  chance:  { servers: ["10.2.0.2:8080"], mode: nat }
  hashed:  { servers: ["10.2.0.2:8080"], mode: nat, balance: { hash: { on: client_ip } } }
  carried: { servers: ["10.2.0.2"] }
admin: { socket: `+socket+` }
`)
	binary, err := peers.WeirBinary()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(binary, "status", "--address", socket).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	rows := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		rows[strings.Join(strings.Fields(line), " ")] = true
	}
	for _, row := range []string{
		"chance nat: by weight and chance - - -",
		"hashed nat: by weight and a hash of the client's address - - -",
		"carried least_latency - - -",
		"carried 10.2.0.2 10.2.0.2 not checked 1 0 0 0 0 0 -",
		"kernel 10.1.0.1:9000-9009 (nat) 0 - - -",
		"carried 10.1.0.1:9100-9109 0 0 0 0",
	} {
		if !rows[row] {
			t.Errorf("no row %q in\n%s", row, out)
		}
	}
}
