package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
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
	if out, status := s.weir("reload"); !strings.Contains(out, "want a regular file") {
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
