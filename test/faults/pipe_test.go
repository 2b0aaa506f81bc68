package faults

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

// A pipe that nobody writes to, in the place of a certificate, stops neither the look at certificates nor a reload, which says what it is; the certificate that was read before stays in use.
func TestAPipeInThePlaceOfACertificateStopsNothing(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t, dir, "ca")
	ca.issue("front", time.Now().Add(time.Hour), "files.test")
	s := start(t, fmt.Sprintf(`
listeners: { front: "FRONT", secure: { address: "SECOND", tls: { certificates: [{ cert: %s/front.pem, key: %s/front.key }] } } }
sites: { "*": { respond: 404 } }
admin: "ADMIN"
logs: { access: off }
`, dir, dir))
	cert := filepath.Join(dir, "front.pem")
	good, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(cert)
	if err := syscall.Mkfifo(cert, 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(6 * time.Second) // certificates are looked at every five
	began := time.Now()
	if out, status := s.weir("reload"); !strings.Contains(out, "is not a regular file") {
		t.Errorf("reload: status %d\n%s", status, out)
	}
	s.status()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("reload and status took %v", took)
	}
	os.Remove(cert)
	os.WriteFile(cert, good, 0o600)
	if out, status := s.weir("reload"); status != 0 {
		t.Errorf("with the certificate back: status %d\n%s", status, out)
	}
}

// Pipes in the place of all that weir keeps in the data directory delay neither a check nor a start nor a stop; each is told of.
func TestPipesInTheDataDirectoryStopNothing(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	kept := []string{"quic.key", "persistence.key", "operator/servers.json", "authority/root.pem", "authority/root.key"}
	for _, name := range kept {
		file := filepath.Join(data, name)
		os.MkdirAll(filepath.Dir(file), 0o700)
		if err := syscall.Mkfifo(file, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	s := start(t, `
listeners: { front: "FRONT", secure: { address: "SECOND", tls: on } }
pools: { app: { servers: ["127.0.0.1:1"], persistence: { cookie: C } } }
sites: { "*": app }
data: `+data+`
admin: "ADMIN"
logs: { access: off }
`)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the start took %v", took)
	}
	for _, name := range []string{"quic.key", "persistence.key", "servers.json", "root.pem"} {
		if !strings.Contains(s.log(), name+" is not a regular file") {
			t.Errorf("%s is not told of", name)
		}
	}
	binary, err := peers.WeirBinary()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(binary, "check", "-c", filepath.Join(s.dir, "weir.yaml")).CombinedOutput(); err != nil || !strings.Contains(string(out), "quic.key is not a regular file") {
		t.Errorf("check: %v\n%s", err, out)
	}
	for _, name := range kept {
		if st, err := os.Lstat(filepath.Join(data, name)); err != nil || st.Mode()&os.ModeNamedPipe == 0 {
			t.Errorf("%s was replaced: %v", name, err)
		}
	}
}
