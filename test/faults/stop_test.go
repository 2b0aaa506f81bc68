package faults

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
	"golang.org/x/net/http2"

	"github.com/weir-proxy/weir/test/peers"
)

func TestSIGTERMLetsWorkUnderWayEnd(t *testing.T) {
	w := startProcess(t, `{ listeners: { front: "FRONT" }, sites: { "*": "http://`+origin(t, "web")+`" }, admin: off, logs: { access: off } }`)
	address := w.address

	ends := make(chan error)
	idle := dial(t, address)
	if err := idle.ok("/"); err != nil {
		t.Fatal(err)
	}
	work := []string{"/after/1500ms", "/drip/30/50ms", "/after/1s"}
	for _, path := range work {
		c := dial(t, address)
		go func() {
			response, body, err := c.get(path)
			if err == nil && (response.StatusCode != 200 || strings.HasPrefix(path, "/drip") && len(body) != 30<<10) {
				err = errors.New(path + ": " + response.Status)
			}
			ends <- err
		}()
	}
	time.Sleep(300 * time.Millisecond)
	w.Process.Signal(syscall.SIGTERM)
	time.Sleep(200 * time.Millisecond)
	if err := newConnections(address, "/")()(); err == nil {
		t.Error("a new connection is served after SIGTERM")
	}
	for range work {
		if err := <-ends; err != nil {
			t.Error(err)
		}
	}
	w.exits(3 * time.Second)
}

// What weir cuts at the end of its patience is logged as its own doing, in every version and state: nobody is to look for a client or a network that has not failed.
func TestWhatAStopCutsIsLoggedAsThat(t *testing.T) {
	web := origin(t, "web")
	logged := filepath.Join(t.TempDir(), "access.log")
	secure, err := peers.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	w := startProcess(t, `{ listeners: { front: "FRONT", secure: { address: "`+secure+`", tls: on } }, sites: { "*": { /*: { servers: ["`+web+`"], body_limit: off } } }, admin: off, logs: { access: { format: json, file: "`+logged+`" } } }`, "--drain", "1s")
	noCheck := &tls.Config{InsecureSkipVerify: true}
	for _, transport := range []http.RoundTripper{&http.Transport{TLSClientConfig: noCheck}, &http2.Transport{TLSClientConfig: noCheck}, &http3.Transport{TLSClientConfig: noCheck}} {
		for _, path := range []string{"/after/20s", "/drip/400/50ms"} {
			go func() {
				r, _ := http.NewRequest("GET", "https://"+secure+path, nil)
				if answer, err := transport.RoundTrip(r); err == nil {
					io.Copy(io.Discard, answer.Body)
				}
			}()
		}
		go func() {
			slow, end := io.Pipe()
			defer end.Close()
			go func() {
				for {
					if _, err := end.Write(make([]byte, 1000)); err != nil {
						return
					}
					time.Sleep(50 * time.Millisecond)
				}
			}()
			r, _ := http.NewRequest("POST", "https://"+secure+"/", slow)
			transport.RoundTrip(r)
		}()
	}
	time.Sleep(time.Second)
	w.Process.Signal(syscall.SIGTERM)
	w.exits(8 * time.Second)
	var reasons []string
	log, err := os.ReadFile(logged)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(log), "\n") {
		if _, after, found := strings.Cut(line, `"reason":"`); found && strings.Contains(line, `"tls":true`) {
			why, _, _ := strings.Cut(after, `"`)
			reasons = append(reasons, why)
			if why != "weir.read.stopping" {
				t.Error(line)
			}
		}
	}
	if len(reasons) != 9 {
		t.Errorf("%d exchanges are logged, want 9: %v", len(reasons), reasons)
	}
}

// The goroutines that look after things every few seconds go on while weir drains: weir must not wait for one that waits for it.
func TestSIGTERMEndsAtOnceAfterALongDrain(t *testing.T) {
	w := startProcess(t, `{ listeners: { front: "FRONT" }, sites: { "*": "http://`+origin(t, "web")+`" }, admin: off, logs: { access: off } }`)
	ends := make(chan error)
	c := dial(t, w.address)
	go func() {
		_, _, err := c.get("/after/7s")
		ends <- err
	}()
	time.Sleep(300 * time.Millisecond)
	w.Process.Signal(syscall.SIGTERM)
	if err := <-ends; err != nil {
		t.Error(err)
	}
	w.exits(3 * time.Second)
}

// Tunnels have no end of their own, and a client that never takes its answer has none either.
func TestSIGTERMEndsIdleConnectionsAtOnceAndTheRestAtTheLimit(t *testing.T) {
	const limit = 2 * time.Second
	w := startProcess(t, `{ listeners: { front: { address: "FRONT", timeouts: { drain: 2s } } }, admin: off, logs: { access: off },
		sites: { "*": { /*: "http://`+origin(t, "web")+`", /chat: "http://`+echo(t)+`" } } }`)
	idle, tunnel, endless := dial(t, w.address), dial(t, w.address), dial(t, w.address)
	if err := idle.ok("/"); err != nil {
		t.Fatal(err)
	}
	io.WriteString(tunnel, "GET /chat HTTP/1.1\r\nHost: good.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	if r, err := http.ReadResponse(tunnel.r, nil); err != nil || r.StatusCode != 101 {
		t.Fatalf("upgrade: %v %v", r, err)
	}
	io.WriteString(endless, "GET /drip/1000/50ms HTTP/1.1\r\nHost: good.test\r\n\r\n")
	if _, err := http.ReadResponse(endless.r, nil); err != nil {
		t.Fatal(err)
	}

	began := time.Now()
	w.Process.Signal(syscall.SIGTERM)
	idle.SetReadDeadline(time.Now().Add(time.Second))
	if _, err := idle.r.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("an idle connection is not closed at once: %v", err)
	}
	said := "still here"
	fmt.Fprint(tunnel, said)
	tunnel.SetReadDeadline(time.Now().Add(time.Second))
	if b, err := tunnel.r.Peek(len(said)); err != nil {
		t.Errorf("the tunnel does not go on: %q %v", b, err)
	}
	w.exits(limit + time.Second - time.Since(began))
	if took := time.Since(began); took < limit {
		t.Errorf("work under way had %v, want %v", took, limit)
	}
	for _, word := range []string{"tunnels_left=1", "requests_left=1", "1 requests and 1 tunnels were cut"} {
		if !strings.Contains(w.said.String(), word) {
			t.Errorf("weir did not say %s:\n%s", word, w.said.String())
		}
	}
}

func TestASecondSignalDoesNotWait(t *testing.T) {
	w := startProcess(t, `{ listeners: { front: "FRONT" }, sites: { "*": "http://`+origin(t, "web")+`" }, admin: off, logs: { access: off } }`)
	slow := dial(t, w.address)
	io.WriteString(slow, "GET /after/20s HTTP/1.1\r\nHost: good.test\r\n\r\n")
	time.Sleep(200 * time.Millisecond)
	w.Process.Signal(syscall.SIGTERM)
	time.Sleep(300 * time.Millisecond)
	w.Process.Signal(syscall.SIGINT)
	w.exits(time.Second)
}

// A listener that a reload drops has the same limit.
func TestConnectionsOfADroppedListenerEnd(t *testing.T) {
	listeners := `second: { address: "SECOND", timeouts: { drain: 1s } }`
	config := `
listeners: { front: "FRONT", LISTENERS }
sites: { "*": "http://` + origin(t, "web") + `" }
admin: "ADMIN"
logs: { access: off }
`
	s := start(t, strings.Replace(config, "LISTENERS", listeners, 1))
	idle, busy, slow := dial(t, s.address["SECOND"]), dial(t, s.address["SECOND"]), dial(t, s.address["SECOND"])
	kept := dial(t, s.address["FRONT"])
	for _, c := range []*conn{idle, kept} {
		if err := c.ok("/"); err != nil {
			t.Fatal(err)
		}
	}
	within := make(chan error, 2)
	go func() { within <- busy.ok("/after/600ms") }()
	go func() { within <- slow.ok("/after/10s") }()
	time.Sleep(200 * time.Millisecond)
	s.write(strings.Replace(config, "LISTENERS", "", 1))
	s.reload(reloaded)
	idle.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
	if _, err := idle.r.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("an idle connection stays: %v", err)
	}
	if err := <-within; err != nil {
		t.Errorf("a request within the limit: %v", err)
	}
	if err := <-within; err == nil {
		t.Error("a request beyond the limit is not cut")
	}
	if err := kept.ok("/"); err != nil {
		t.Errorf("the other listener: %v", err)
	}
}

// process is a weir whose exit status matters. Not by package peers, which keeps that to itself.
type process struct {
	*exec.Cmd
	t       *testing.T
	address string
	said    *lockedBuffer
	ended   chan error
}

// startProcess starts a weir; FRONT in the configuration becomes a free address.
func startProcess(t *testing.T, config string, args ...string) *process {
	t.Helper()
	binary, err := peers.WeirBinary()
	if err != nil {
		t.Fatal(err)
	}
	address, err := peers.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	os.Chmod(filepath.Dir(dir), 0o755) // some of these processes become another user
	file := filepath.Join(dir, "weir.yaml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(config, "FRONT", address)), 0o644); err != nil {
		t.Fatal(err)
	}
	return startCommand(t, exec.Command(binary, append([]string{"run", "-c", file}, args...)...), address)
}

// startCommand starts a weir that serves at the address.
func startCommand(t *testing.T, command *exec.Cmd, address string) *process {
	t.Helper()
	p := &process{Cmd: command, t: t, address: address, said: &lockedBuffer{}, ended: make(chan error, 1)}
	p.Stderr = p.said
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // with what takes its place
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-p.Process.Pid, syscall.SIGKILL)
		if t.Failed() {
			t.Logf("weir said:\n%s", tail(p.said.String(), 40))
		}
	})
	go func() {
		// Not Cmd.Wait, which waits for the ends of all that write to the log: a process may have taken over.
		state, err := p.Process.Wait()
		if err == nil && !state.Success() {
			err = errors.New(state.String())
		}
		p.ended <- err
	}()
	within(t, 5*time.Second, "weir to serve", func() bool { return newConnections(address, "/")()() == nil })
	return p
}

// exits fails the test unless the process ends by itself in time.
func (p *process) exits(d time.Duration) {
	p.t.Helper()
	select {
	case err := <-p.ended:
		if err != nil {
			p.t.Errorf("exit: %v\n%s", err, p.said.String())
		}
	case <-time.After(d):
		p.t.Errorf("weir is still there after %v\n%s", d, p.said.String())
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// echo is a server that answers every upgrade and sends back what it gets.
func echo(t *testing.T) (address string) {
	t.Helper()
	return peers.Serve(t, func(c *net.TCPConn) {
		defer c.Close()
		r := bufio.NewReader(c)
		if _, err := http.ReadRequest(r); err != nil {
			return
		}
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		io.Copy(c, r)
	})
}
