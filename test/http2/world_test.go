package http2

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
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

var (
	// toolsDir builds h2spec and the two programs of gRPC.
	toolsDir func() (string, error)
)

func TestMain(m *testing.M) {
	toolsDir = sync.OnceValues(peers.BuildHTTP2Tools)
	os.Exit(peers.Main(m))
}

// world is a running weir with a listener in clear and one with TLS.
type world struct {
	*peers.Process
	t             *testing.T
	dir           string
	clear, secure string // addresses
	admin         string
	roots         *x509.CertPool
}

// newWorld starts a weir whose pools and sites are given. Its access log is in its log, as text.
func newWorld(t *testing.T, config string) *world { return newWorldUnder(t, config, nil) }

// newWorldUnder is newWorld with a program before weir's own command line.
func newWorldUnder(t *testing.T, config string, wrapper []string) *world {
	t.Helper()
	binary, err := peers.WeirBinary()
	if err != nil {
		t.Fatal(err)
	}
	addresses, err := peers.FreeAddresses(2)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: t.TempDir(), clear: addresses[0], secure: addresses[1], admin: peers.AdminSocket(), roots: x509.NewCertPool()}
	cert, err := peers.NewCertificate(w.dir)
	if err != nil {
		t.Fatal(err)
	}
	pem, _ := os.ReadFile(cert.Cert)
	w.roots.AppendCertsFromPEM(pem)
	w.write(config)
	args := append(wrapper, binary, "run", "-c", w.file())
	if w.Process, err = peers.Start("weir", w.dir, exec.Command(args[0], args[1:]...), w.clear, w.secure); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.Stop()
		if t.Failed() {
			log, _ := os.ReadFile(w.Log)
			t.Logf("weir's log ends with\n%s", log[max(0, len(log)-3000):])
		}
	})
	return w
}

func (w *world) file() string { return filepath.Join(w.dir, "weir.yaml") }

// write puts the configuration into weir's file.
func (w *world) write(config string) {
	w.t.Helper()
	text := fmt.Sprintf("listeners:\n  clear: { address: %q }\n  secure: { address: %q, tls: { certificates: [{ cert: cert.pem, key: key.pem }] } }\n"+
		"logs: { access: { format: json } }\nadmin: %q\ndata: data\n%s", w.clear, w.secure, w.admin, config)
	if err := os.WriteFile(w.file(), []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// logs waits until weir's log has a line of that kind.
func (w *world) logs(expression string) {
	w.t.Helper()
	wanted := regexp.MustCompile(expression)
	for by := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		log, _ := os.ReadFile(w.Log)
		if wanted.Match(log) {
			return
		}
		if time.Now().After(by) {
			w.t.Errorf("the log has no line with %s", expression)
			return
		}
	}
}

// dial opens a connection of HTTP/2 and says the first words.
func (w *world) dial(address string) *client {
	w.t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		w.t.Fatal(err)
	}
	if address == w.secure {
		secure := tls.Client(conn, &tls.Config{RootCAs: w.roots, ServerName: "localhost", NextProtos: []string{"h2"}})
		if err := secure.Handshake(); err != nil {
			w.t.Fatal(err)
		}
		conn = secure
	}
	w.t.Cleanup(func() { conn.Close() })
	return newClient(w.t, conn)
}

// http is a client of Go's own over TLS, which speaks HTTP/2.
func (w *world) http() *http.Client {
	return &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{RootCAs: w.roots, ServerName: "localhost"}}}
}

// status is what weir says of itself.
func (w *world) status(into any) {
	w.t.Helper()
	response, err := peers.AskAdmin(w.admin, "/status")
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		w.t.Fatal(err)
	}
}

// reload has weir read its configuration again, which must be good.
func (w *world) reload() {
	w.t.Helper()
	r, err := http.NewRequest("POST", "http://localhost/reload", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("X-Weir", "1")
	response, err := peers.AdminClient(w.admin).Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	if said, _ := io.ReadAll(response.Body); response.StatusCode != 200 {
		w.t.Fatalf("reload: %s %s", response.Status, said)
	}
}

// serve runs a handler on HTTP/1.1, and on HTTP/2 in clear, at one address.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := &http.Server{Handler: h, Protocols: new(http.Protocols)}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetUnencryptedHTTP2(true)
	return peers.ServeHTTP(t, s)
}

// echo answers with the request's body, and says what else of the request it has seen.
func echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Proto", r.Proto)
	w.Header().Set("X-Path", r.RequestURI)
	w.Header().Set("X-Cookie", r.Header.Get("Cookie"))
	w.Header().Set("Trailer", "X-End")
	body, _ := io.ReadAll(r.Body) // net/http's server cuts a request that is answered before its end
	w.Write(body)
	w.Header().Set("X-End", "here"+r.Trailer.Get("X-Start"))
}

// run runs a program and returns what it prints.
func run(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	program := name
	if !strings.Contains(name, "/") {
		var err error
		if program, err = peers.Find(name); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, args...)
	most := time.Minute
	if *soak {
		most = 20 * time.Minute
	}
	timer := time.AfterFunc(most, func() { cmd.Process.Kill() })
	defer timer.Stop()
	out, err := cmd.CombinedOutput()
	return string(out), err
}
