package hostile

import (
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

func TestMain(m *testing.M) {
	if isAttacker() {
		attackAndExit()
	}
	os.Exit(peers.Main(m))
}

// world is a running weir.
type world struct {
	*peers.Process
	t     *testing.T
	dir   string
	at    map[string]string // addresses by the names in capitals that the configuration has for them
	roots *x509.CertPool
}

// start starts a weir, below another program if one is given. CLEAR, SECURE, ADMIN and THIRD to SEVENTH in the configuration become free addresses, DIR the test's directory, where cert.pem
// and key.pem are.
func start(t *testing.T, config string, wrapper ...string) *world {
	t.Helper()
	binary, err := peers.WeirBinary()
	if err != nil {
		t.Fatal(err)
	}
	free, err := peers.FreeAddresses(8)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: t.TempDir(), roots: x509.NewCertPool(),
		at: map[string]string{"CLEAR": free[0], "SECURE": free[1], "ADMIN": free[2], "THIRD": free[3], "FOURTH": free[4], "FIFTH": free[5], "SIXTH": free[6],
			"SEVENTH": free[7]}}
	cert, err := peers.NewCertificate(w.dir)
	if err != nil {
		t.Fatal(err)
	}
	pem, _ := os.ReadFile(cert.Cert)
	w.roots.AppendCertsFromPEM(pem)
	w.write(config)
	args := append(wrapper, binary, "run", "-c", w.file())
	if w.Process, err = peers.Start("weir", w.dir, exec.Command(args[0], args[1:]...)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !w.Alive() {
			t.Errorf("weir has ended:\n%s", w.log())
		}
		w.Stop()
		if log := w.log(); strings.Contains(log, "panic") || strings.Contains(log, "BUG") || t.Failed() {
			t.Errorf("weir said:\n%s", log[max(0, len(log)-4000):])
		}
	})
	within(t, 15*time.Second, "weir to serve", func() bool { return strings.Contains(w.log(), "msg=serving") })
	return w
}

func (w *world) file() string { return filepath.Join(w.dir, "weir.yaml") }

// scene is the listeners of hostileConfig for attackers in the test's own process.
func (w *world) scene() *scene {
	return &scene{at: map[string]string{"clear": w.at["CLEAR"], "h2c": w.at["CLEAR"], "secure": w.at["SECURE"], "quic": w.at["SECURE"], "tunnel": w.at["THIRD"]}}
}

// write writes the configuration.
func (w *world) write(config string) {
	w.t.Helper()
	config = strings.ReplaceAll(config, "DIR", w.dir)
	for name, address := range w.at {
		config = strings.ReplaceAll(config, name, address)
	}
	if err := os.WriteFile(w.file(), []byte(config), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) log() string {
	text, _ := os.ReadFile(w.Log)
	return string(text)
}

// cpu is the processor time that weir has used.
func (w *world) cpu() time.Duration {
	u, err := w.Usage()
	if err != nil {
		w.t.Fatal(err)
	}
	return u.CPU
}

// resident is weir's memory in bytes.
func (w *world) resident() int64 {
	u, err := w.Usage()
	if err != nil {
		w.t.Fatal(err)
	}
	return u.Resident
}

// within waits until the condition holds.
func within(t *testing.T, d time.Duration, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(d); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", d, what)
		}
	}
}
