package http3

import (
	"context"
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
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/weir-proxy/weir/test/peers"
)

// edge is a weir whose servers speak HTTP/3.
type edge struct {
	t                    *testing.T
	dir                  string
	front, admin         string // addresses: with TLS; of weir's own API
	weir                 *peers.Process
	certificate          tls.Certificate
	roots                *x509.CertPool
	http1, http2, http3c *http.Client
}

// newEdge makes ready for a weir; run starts it.
func newEdge(t *testing.T) *edge {
	t.Helper()
	e := &edge{t: t, dir: t.TempDir(), roots: x509.NewCertPool()}
	cert, err := peers.NewCertificate(e.dir)
	if err != nil {
		t.Fatal(err)
	}
	if e.certificate, err = tls.LoadX509KeyPair(cert.Cert, cert.Key); err != nil {
		t.Fatal(err)
	}
	pem, _ := os.ReadFile(cert.Cert)
	e.roots.AppendCertsFromPEM(pem)
	addresses, err := peers.FreeAddresses(2)
	if err != nil {
		t.Fatal(err)
	}
	e.front, e.admin = addresses[0], peers.AdminSocket()
	return e
}

// write puts the configuration into weir's file: app is the pool, more what stands beside its servers.
func (e *edge) write(servers []string, more string) {
	e.t.Helper()
	text := fmt.Sprintf(`listeners: { front: { address: %q, tls: { certificates: [{ cert: cert.pem, key: key.pem }] } } }
pools: { app: { servers: [%s], protocol: http3%s } }
sites: { "*": { /*: { pool: app, body_limit: off } } }
logs: { access: { format: json } }
admin: %q
data: data
`, e.front, strings.Join(servers, ", "), more, e.admin)
	if err := os.WriteFile(e.file(), []byte(text), 0o644); err != nil {
		e.t.Fatal(err)
	}
}

func (e *edge) file() string { return filepath.Join(e.dir, "weir.yaml") }

const trusted = ", tls: { ca: cert.pem }"

// run starts weir before the servers; more is what the pool says besides.
func (e *edge) run(more string, servers ...string) *edge {
	e.t.Helper()
	binary, err := peers.WeirBinary()
	if err != nil {
		e.t.Fatal(err)
	}
	e.write(servers, more)
	if e.weir, err = peers.Start("weir", e.dir, exec.Command(binary, "run", "-c", e.file()), e.front); err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() {
		e.weir.Stop()
		log, _ := os.ReadFile(e.weir.Log)
		if text := string(log[max(0, len(log)-6000):]); strings.Contains(text, "panic") || strings.Contains(text, "BUG") || e.t.Failed() {
			e.t.Errorf("weir said:\n%s", text)
		}
	})
	config := func() *tls.Config { return &tls.Config{RootCAs: e.roots, ServerName: "localhost"} }
	e.http1 = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: config(), TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{},
		MaxIdleConnsPerHost: 100}}
	e.http2 = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: config(), ForceAttemptHTTP2: true}}
	byQUIC := &http3.Transport{TLSClientConfig: config(), QUICConfig: &quicgo.Config{}}
	e.t.Cleanup(func() { byQUIC.Close() })
	e.http3c = &http.Client{Timeout: 30 * time.Second, Transport: byQUIC}
	return e
}

// clients are those of all versions.
func (e *edge) clients() map[string]*http.Client {
	return map[string]*http.Client{"HTTP/1.1": e.http1, "HTTP/2.0": e.http2, "HTTP/3.0": e.http3c}
}

func (e *edge) url(path string) string { return "https://127.0.0.1:" + peers.Port(e.front) + path }

// get asks for a path and wants that status.
func (e *edge) get(c *http.Client, path string, want int) (head http.Header, body string) {
	e.t.Helper()
	status, head, got := get(e.t, c, e.url(path))
	if status != want {
		e.t.Errorf("%s: status %d, want %d", path, status, want)
	}
	return head, string(got)
}

// reason is why the last exchange ended, and its detail, as the log has it.
func (e *edge) reason() (reason, detail string) {
	var line struct{ Reason, Detail string }
	for by := time.Now().Add(5 * time.Second); time.Now().Before(by); time.Sleep(20 * time.Millisecond) {
		log, _ := os.ReadFile(e.weir.Log)
		lines := strings.Split(strings.TrimSpace(string(log)), "\n")
		if json.Unmarshal([]byte(lines[len(lines)-1]), &line) == nil && line.Reason != "" {
			break
		}
	}
	return line.Reason, line.Detail
}

// pool is what weir says of its pool.
func (e *edge) pool() (p poolStatus) {
	e.t.Helper()
	answer, err := peers.AskAdmin(e.admin, "/status")
	if err != nil {
		e.t.Fatal(err)
	}
	defer answer.Body.Close()
	var status struct{ Pools []poolStatus }
	if err := json.NewDecoder(answer.Body).Decode(&status); err != nil {
		e.t.Fatal(err)
	}
	for _, p := range status.Pools {
		if p.Name == "app" {
			return p
		}
	}
	e.t.Fatal("no pool of that name")
	return p
}

type poolStatus struct {
	Name         string
	Multiplexing struct {
		Clients   uint64  `json:"clients"`
		Servers   uint64  `json:"servers"`
		PerServer float64 `json:"requests_per_connection"`
	}
	Servers []struct {
		Name, Health string
		Requests     uint64
		Connections  struct{ Open, Idle, Opened, Reused int }
	}
}

func (e *edge) reload() {
	e.t.Helper()
	if err := e.weir.Signal(syscall.SIGHUP); err != nil {
		e.t.Fatal(err)
	}
}

// origin is a server of HTTP/3, by another implementation than weir's own as far as HTTP is concerned.
type origin struct {
	address string
	conns   atomic.Int32
	asked   atomic.Int32
	server  *http3.Server
	handler http.Handler
	accept  http3.QUICListener
	socket  *net.UDPConn
	quic    *quicgo.Transport
}

// serve starts a server; streams is how many requests a connection may have under way.
func (e *edge) serve(streams int64, h http.Handler) *origin {
	e.t.Helper()
	return e.serveTLS(&tls.Config{Certificates: []tls.Certificate{e.certificate}}, streams, h)
}

// serveTLS is serve with another configuration of TLS.
func (e *edge) serveTLS(config *tls.Config, streams int64, h http.Handler) *origin {
	e.t.Helper()
	return e.serveAt(&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}, config, streams, h)
}

// serveAt is serveTLS at an address.
func (e *edge) serveAt(at *net.UDPAddr, config *tls.Config, streams int64, h http.Handler) *origin {
	e.t.Helper()
	socket, err := net.ListenUDP("udp", at)
	if err != nil {
		e.t.Fatal(err)
	}
	o := &origin{address: socket.LocalAddr().String(), socket: socket, quic: &quicgo.Transport{Conn: socket}}
	l, err := o.quic.ListenEarly(http3.ConfigureTLSConfig(config), &quicgo.Config{MaxIncomingStreams: streams})
	if err != nil {
		e.t.Fatal(err)
	}
	o.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.asked.Add(1)
		h.ServeHTTP(w, r)
	})
	o.accept = counted{l, &o.conns}
	o.server = &http3.Server{Handler: o.handler}
	go o.server.ServeListener(o.accept)
	e.t.Cleanup(o.kill)
	return o
}

// renew has another process, as it were, take new connections, and sends those that there are away.
func (o *origin) renew(ctx context.Context) error {
	old := o.server
	o.server = &http3.Server{Handler: o.handler}
	go o.server.ServeListener(o.accept)
	return old.Shutdown(ctx)
}

// kill ends the server as a crash does: nobody is told.
func (o *origin) kill() {
	o.quic.Close()
	o.socket.Close()
}

// counted counts the connections that come.
type counted struct {
	*quicgo.EarlyListener
	n *atomic.Int32
}

func (c counted) Accept(ctx context.Context) (*quicgo.Conn, error) {
	conn, err := c.EarlyListener.Accept(ctx)
	if err == nil {
		c.n.Add(1)
	}
	return conn, err
}

// answers is what the origins of the tests do, by path.
func answers(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Proto", r.Proto)
	switch r.URL.Path {
	case "/hints":
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		io.WriteString(w, "hinted")
	case "/continue":
		if r.Header.Get("Expect") == "100-continue" {
			w.WriteHeader(http.StatusContinue)
		}
		io.Copy(w, r.Body)
	case "/early":
		w.Header().Set("Content-Length", "3")
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		io.WriteString(w, "no\n") // and the request's body is not read
	case "/reset":
		w.Write(make([]byte, 10_000))
		w.(http.Flusher).Flush()
		time.Sleep(50 * time.Millisecond)
		panic(http.ErrAbortHandler)
	case "/empty":
		w.WriteHeader(http.StatusNoContent)
	case "/fields":
		w.Header().Set("X-Path", r.RequestURI)
		json.NewEncoder(w).Encode(r.Header)
	case "/slow":
		time.Sleep(20 * time.Millisecond)
		io.WriteString(w, "late")
	case "/silent":
		<-r.Context().Done()
	default:
		w.Header().Set("Trailer", "X-End")
		n, _ := io.Copy(w, r.Body)
		w.Header().Set("X-End", fmt.Sprint(n, r.Trailer.Get("X-Start")))
	}
}
