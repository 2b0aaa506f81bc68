package acme

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

// Built when the first test asks for them.
var (
	pebbleBinary = sync.OnceValues(peers.BuildPebble)
)

func TestMain(m *testing.M) { os.Exit(peers.Main(m)) }

// world is an ACME server, DNS, and the addresses of a weir that may be started and stopped.
type world struct {
	t           *testing.T
	dir         string
	zone        *zone
	pebble      *peers.Process
	trust       string // what pebble's own certificate is checked against
	directory   string // its URL
	management  string // the URL of what pebble tells testers
	http, https string // weir's addresses
	weir        *peers.Process
}

// authority is what pebble is told besides its addresses.
type authority struct {
	validity int // seconds; 0: a day
	accounts map[string]string
}

func newWorld(t *testing.T, a authority) *world {
	t.Helper()
	addresses, err := peers.FreeAddresses(4)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: t.TempDir(), zone: startZone(t), http: addresses[2], https: addresses[3], directory: "https://" + addresses[0] + "/dir", management: "https://" + addresses[1]}
	own, err := peers.NewCertificate(w.dir)
	if err != nil {
		t.Fatal(err)
	}
	w.trust = own.Cert
	if a.validity == 0 {
		a.validity = 24 * 3600
	}
	text, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": addresses[0], "managementListenAddress": addresses[1], "certificate": own.Cert, "privateKey": own.Key,
		"httpPort": port(w.http), "tlsPort": port(w.https), "keyAlgorithm": "ecdsa",
		"externalAccountBindingRequired": a.accounts != nil, "externalAccountMACKeys": a.accounts,
		"retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles":   map[string]any{"default": map[string]any{"description": "of the tests", "validityPeriod": a.validity}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(w.dir, "pebble.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	binary, err := pebbleBinary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-config", file, "-dnsserver", w.zone.address)
	// Half of all nonces are refused, as the standard lets a server do at any time, and validation does not dawdle.
	cmd.Env = append(os.Environ(), "PEBBLE_WFE_NONCEREJECT=50", "PEBBLE_VA_NOSLEEP=1")
	if w.pebble, err = peers.Start("pebble", w.dir, cmd, addresses[0], addresses[1]); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.stopWeir()
		if w.pebble != nil {
			w.pebble.Stop()
		}
		if t.Failed() {
			for _, name := range []string{"weir.log", "pebble.log"} {
				log, _ := os.ReadFile(filepath.Join(w.dir, name))
				t.Logf("%s:\n%s", name, log[max(0, len(log)-6000):])
			}
		}
	})
	return w
}

func port(address string) (n int) {
	fmt.Sscan(peers.Port(address), &n)
	return n
}

// start starts a weir: acme is what stands below tls.acme besides the authority.
func (w *world) start(acme, sites string) {
	w.t.Helper()
	w.startWith(acme, sites, "redirect: https", "")
}

// startWith has more under the listener of clear text and the top-level tls.
func (w *world) startWith(acme, sites, clear, tls string) {
	w.t.Helper()
	binary, err := peers.WeirBinary()
	if err != nil {
		w.t.Fatal(err)
	}
	text := fmt.Sprintf(`
listeners:
  http: { address: %q, %s }
  https: { address: %q, tls: on }
tls: { acme: { email: ops@example.com, ca: %q, roots: %q, check: 1s, %s }, %s }
sites: { %s }
data: %q
admin: %q
logs: { level: debug }
`, w.http, clear, w.https, w.directory, w.trust, acme, tls, sites, filepath.Join(w.dir, "data"), w.admin())
	if w.weir, err = peers.Weir(binary, w.dir, text, w.http, w.https); err != nil {
		w.t.Fatal(err)
	}
}

// admin is weir's admin address.
func (w *world) admin() string { return "unix:" + filepath.Join(w.dir, "admin.sock") }

func (w *world) stopWeir() {
	if w.weir != nil {
		if err := w.weir.Stop(); err != nil {
			w.t.Error(err)
		}
		w.weir = nil
	}
}

// served is the certificate that a client is met with which asks for the name. A handshake never fails.
func (w *world) served(name string) *x509.Certificate {
	w.t.Helper()
	c, err := tls.Dial("tcp", w.https, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err != nil {
		w.t.Fatalf("a handshake failed: %v", err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0]
}

func isPebbles(c *x509.Certificate) bool { return strings.Contains(c.Issuer.CommonName, "Pebble") }

// obtained waits for the authority's certificate for a name.
func (w *world) obtained(name string) *x509.Certificate {
	w.t.Helper()
	var c *x509.Certificate
	w.within(40*time.Second, "a certificate for "+name, func() bool {
		c = w.served(name)
		return isPebbles(c)
	})
	return c
}

// nonceErr is what an order ends with, one in a hundred, when half of all nonces are refused: ten tries of one request had no luck.
var nonceErr = regexp.MustCompile(`attempt 1\d: .*badNonce`)

// again is how much longer than else something may take: an order that failed is tried again after a minute.
func (w *world) again() time.Duration {
	log, _ := os.ReadFile(filepath.Join(w.dir, "weir.log"))
	return time.Duration(len(nonceErr.FindAll(log, -1))) * 75 * time.Second
}

func (w *world) within(d time.Duration, what string, is func() bool) {
	w.t.Helper()
	for by := time.Now().Add(d); !is(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(by) && time.Now().After(by.Add(w.again())) {
			w.t.Fatalf("%s: not within %v", what, d)
		}
	}
}
