package http3

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/weir-proxy/weir/test/peers"
)

func TestMain(m *testing.M) { os.Exit(peers.Main(m)) }

// world is a weir before an origin.
type world struct {
	t       *testing.T
	dir     string
	address string
	config  string
	weir    *peers.Process
	gone    chan struct{} // a value for each request that the origin saw cancelled
	tunnels chan error    // how each tunnel's reading ended at the origin
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), gone: make(chan struct{}, 10), tunnels: make(chan error, 10)}
	origin := httptest.NewServer(http.HandlerFunc(w.origin))
	t.Cleanup(origin.Close)
	binary, err := peers.WeirBinary()
	if err != nil {
		t.Fatal(err)
	}
	if w.address, err = peers.FreeAddress(); err != nil {
		t.Fatal(err)
	}
	w.config = fmt.Sprintf(`
listeners: { front: { address: %q, tls: on } }
sites:
  localhost:
    /*: { servers: [%q], body_limit: off }
    /own: { respond: { body: "weir's own\n" } }
admin: off
data: %q
logs: { access: { format: json } }
`, w.address, origin.URL, filepath.Join(w.dir, "data"))
	if w.weir, err = peers.Weir(binary, w.dir, w.config, w.address); err != nil {
		t.Fatal(err)
	}
	w.awaitServing()
	t.Cleanup(func() {
		if err := w.weir.Stop(); err != nil {
			t.Error(err)
		}
		if log := w.log(); strings.Contains(log, "panic") || strings.Contains(log, "BUG") || t.Failed() {
			t.Errorf("weir said:\n%s", log)
		}
	})
	return w
}

// awaitServing waits until weir says that it serves: TCP is listened on a moment earlier than UDP, and a client whose first packet is lost tries again after 200 ms.
func (w *world) awaitServing() {
	for by := time.Now().Add(5 * time.Second); !strings.Contains(w.log(), "msg=serving"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(by) {
			w.t.Fatal("weir does not say that it serves")
		}
	}
}

func (w *world) log() string {
	text, _ := os.ReadFile(w.weir.Log)
	return string(text[max(0, len(text)-8000):])
}

// origin echoes what is posted, with a trailer; answers n bytes for /bytes/n; and waits at /wait until it is left alone.
func (w *world) origin(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("X-Early", r.Header.Get("Early-Data"))
	rw.Header().Set("X-Proto", r.Header.Get("X-Forwarded-Proto"))
	switch {
	case r.URL.Path == "/ws":
		upgrade(rw, r, func(err error) { w.tunnels <- err })
	case r.URL.Path == "/wait":
		<-r.Context().Done()
		w.gone <- struct{}{}
	case r.URL.Path == "/slowly":
		for range 5 {
			fmt.Fprintf(rw, "data: x\n\n")
			rw.(http.Flusher).Flush()
			time.Sleep(50 * time.Millisecond)
		}
	case strings.HasPrefix(r.URL.Path, "/bytes/"):
		n, _ := strconv.Atoi(r.URL.Path[len("/bytes/"):])
		rw.Header().Set("Content-Length", strconv.Itoa(n))
		io.CopyN(rw, pattern{}, int64(n))
	default:
		http.NewResponseController(rw).EnableFullDuplex() // else Go throws away what it has not read when it begins to answer
		rw.Header().Set("Trailer", "X-Length")
		n, _ := io.Copy(rw, r.Body)
		rw.Header().Set("X-Length", strconv.FormatInt(n, 10)+" "+r.Trailer.Get("X-Sum"))
	}
}

// pattern is endless and no two blocks of it are the same.
type pattern struct{}

func (pattern) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(i*7 + i>>8)
	}
	return len(p), nil
}

// client is quic-go's own.
func (w *world) client() *http3.Transport {
	tr := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(4)},
		QUICConfig: &quicgo.Config{}, Dial: w.dial}
	w.t.Cleanup(func() { tr.Close() })
	return tr
}

func (w *world) dial(ctx context.Context, _ string, config *tls.Config, q *quicgo.Config) (*quicgo.Conn, error) {
	return quicgo.DialAddrEarly(ctx, w.address, config, q)
}

// url names weir by the port that it listens on, at the site's name.
func (w *world) url(path string) string { return "https://localhost:" + peers.Port(w.address) + path }

// write changes weir's file.
func (w *world) write(config string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, "weir.yaml"), []byte(config), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) reload() {
	w.t.Helper()
	before := w.reloads()
	if err := w.weir.Signal(syscall.SIGHUP); err != nil {
		w.t.Fatal(err)
	}
	for by := time.Now().Add(5 * time.Second); w.reloads() == before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(by) {
			w.t.Fatal("no reload")
		}
	}
}

// reloads is how many the log tells of.
func (w *world) reloads() int {
	text, _ := os.ReadFile(w.weir.Log)
	return strings.Count(string(text), "msg=reloaded")
}
