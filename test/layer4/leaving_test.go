package layer4

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/test/peers"
)

// command is a command of weir's, asked of the process that serves. It may be waited for once.
type command struct {
	said   bytes.Buffer
	cancel context.CancelFunc
	ended  chan struct{}
	status int
}

func (s *subject) command(args ...string) *command {
	s.t.Helper()
	binary, err := peers.WeirBinary()
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	run := exec.CommandContext(ctx, binary, append(args, "--address", s.admin)...)
	c := &command{cancel: cancel, ended: make(chan struct{})}
	run.Stdout, run.Stderr = &c.said, &c.said
	if err := run.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { cancel(); <-c.ended })
	go func() {
		defer close(c.ended)
		run.Wait()
		c.status = run.ProcessState.ExitCode()
	}()
	return c
}

func (c *command) hasEnded() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// succeeds waits for the command, which has to say a text.
func (c *command) succeeds(t *testing.T, want string) {
	t.Helper()
	<-c.ended
	if c.status != 0 || !strings.Contains(c.said.String(), want) {
		t.Errorf("status %d, and it said %q; expected %q", c.status, c.said.String(), want)
	}
}

// lines answers every line with the same, over TCP, after an upgrade and over UDP; a request for /hang gets no answer.
func lines(t *testing.T) (stream, packets string, hangs chan struct{}) {
	t.Helper()
	hangs = make(chan struct{}, 10)
	stream = peers.ServeHTTP(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang" {
			hangs <- struct{}{}
			<-r.Context().Done()
			return
		}
		c, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
		io.Copy(c, rw)
	})})
	return stream, seenFrom(t), hangs
}

const upgrade = "GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

// open dials, sends a request and waits for the 101; after that the server sends everything back.
func open(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(c, upgrade)
	if response, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || response.StatusCode != 101 {
		t.Fatal(response, err)
	}
	return c
}

// hasEnded waits for the end of a connection that says nothing.
func hasEnded(c net.Conn) bool {
	_, err := c.Read(make([]byte, 1))
	return err != nil && !strings.Contains(err.Error(), "timeout")
}

// What the operator asks of weir reaches the connections of a process that has been replaced: tunnels, upgraded connections, requests, flows.
func TestOrdersReachAProcessThatLeaves(t *testing.T) {
	front, secure, tunnels, packets, other := free(t), free(t), free(t), free(t), free(t)
	dir := t.TempDir()
	certificate, err := peers.NewCertificate(dir, "localhost")
	if err != nil {
		t.Fatal(err)
	}
	server, datagrams, hangs := lines(t)
	config := func(packets string) string {
		return fmt.Sprintf(`
listeners:
  front: { address: %q }
  secure: { address: %q, tls: { certificates: [{ cert: %q, key: %q }] } }
  tunnels: { address: %q, protocol: tcp, pool: tunnels }
  packets: { address: %q, protocol: udp, pool: packets }
pools:
  web: { servers: [%q] }
  tunnels: { servers: [%q] }
  packets: { servers: [%q] }
sites: { "*": web }
admin: "ADMIN"
logs: { access: off }
`, front, secure, certificate.Cert, certificate.Key, tunnels, packets, server, server, datagrams)
	}
	s := start(t, dir, config(packets))
	tunnel, socket := open(t, tunnels), open(t, front)
	requests := make(chan error, 2)
	h2 := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
	for url, client := range map[string]*http.Client{"http://" + front: http.DefaultClient, "https://" + secure: h2} {
		go func() {
			response, err := client.Get(url + "/hang")
			if err == nil {
				err = fmt.Errorf("%s %d", response.Proto, response.StatusCode)
				response.Body.Close()
			}
			requests <- err
		}()
		<-hangs
	}
	udp, err := net.Dial("udp", packets)
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	ask(t, udp, []byte("12345678"))
	before := s.pid()
	s.write(config(other)) // the new process has no listener for the flow, which stays with the old one
	s.replace()

	st := s.status()
	if len(st.Leaving) != 1 {
		t.Fatalf("%d processes leave", len(st.Leaving))
	}
	l := st.Leaving[0]
	if l.PID != before || l.Silent || l.Clients != 3 || l.Active != 3 || l.Upgraded != 1 || l.Tunnels != 1 || l.Flows != 1 || len(l.Servers) != 3 {
		t.Errorf("it still has %+v", l)
	}
	if st.Exchanges.Clients != 3 || st.Tunnels.Open != 1 || st.Flows.Open != 1 || inFlight(st) != "web 3, tunnels 1, packets 1" {
		t.Errorf("%+v, %+v, %+v, %s", st.Exchanges, st.Tunnels, st.Flows, inFlight(st))
	}
	said := s.command("status")
	said.succeeds(t, fmt.Sprintf("process %d, which was replaced, still has 3 connections of HTTP with 3 requests under way, 1 connection at layer 4 and 1 flow of UDP", before))
	s.command("disable", datagrams).succeeds(t, "disabled in packets")
	s.command("kill", datagrams).succeeds(t, "1 ended")
	ended := s.command("drain", server, "--pool", "tunnels", "--wait")
	eventually(t, "the tunnel counts", func() bool {
		return strings.Contains(s.command("drain", server, "--pool", "tunnels", "--wait", "--timeout", "0s").await(), "1 request under way")
	})
	if ended.hasEnded() {
		t.Errorf("it says %q with a tunnel open", ended.await())
	}
	s.command("kill", server, "--pool", "tunnels").succeeds(t, "1 ended")
	if !hasEnded(tunnel) {
		t.Error("the tunnel goes on")
	}
	ended.succeeds(t, "empty")
	s.command("kill", "127.0.0.1").succeeds(t, "3 ended")
	if !hasEnded(socket) {
		t.Error("the WebSocket goes on")
	}
	for range 2 {
		if err := <-requests; !strings.Contains(err.Error(), "EOF") && !strings.Contains(err.Error(), "stream") && !strings.Contains(err.Error(), "GOAWAY") && !strings.Contains(err.Error(), "reset") {
			t.Errorf("a request ended by %v", err)
		}
	}
	eventually(t, "the old process ends", func() bool { return syscall.Kill(before, 0) != nil && len(s.status().Leaving) == 0 })
}

func (c *command) await() string {
	<-c.ended
	return c.said.String()
}

func inFlight(st *api.Status) string {
	var list []string
	for i := range st.Pools {
		list = append(list, fmt.Sprintf("%s %d", st.Pools[i].Name, st.Pools[i].Servers[0].InFlight))
	}
	return strings.Join(list, ", ")
}

// Two processes in a row leave, and an order reaches both.
func TestOrdersReachEveryProcessThatLeaves(t *testing.T) {
	tunnels := free(t)
	server, _, _ := lines(t)
	s := start(t, t.TempDir(), fmt.Sprintf(`
listeners: { tunnels: { address: %q, protocol: tcp, pool: tunnels } }
pools: { tunnels: { servers: [%q] } }
admin: "ADMIN"
logs: { access: off }
`, tunnels, server))
	s.status()
	var all []net.Conn
	for i := range 3 {
		all = append(all, open(t, tunnels))
		if i < 2 {
			s.replace()
			eventually(t, "a process leaves", func() bool { return strings.Count(s.log(), "msg=leaving") > i })
		}
	}
	if st := s.status(); len(st.Leaving) != 2 || st.Pools[0].Servers[0].InFlight != 3 {
		t.Errorf("%d processes leave, %s", len(st.Leaving), inFlight(st))
	}
	s.command("kill", server).succeeds(t, "3 ended")
	for _, c := range all {
		if !hasEnded(c) {
			t.Error("a tunnel goes on")
		}
	}
	s.command("drain", server, "--wait").succeeds(t, "empty")
}

// A process that leaves and does not answer: nothing is called empty or ended without it.
func TestAProcessThatLeavesAndHangsIsNotCalledEmpty(t *testing.T) {
	tunnels := free(t)
	server, _, _ := lines(t)
	s := start(t, t.TempDir(), fmt.Sprintf(`
listeners: { tunnels: { address: %q, protocol: tcp, pool: tunnels } }
pools: { tunnels: { servers: [%q] } }
admin: "ADMIN"
logs: { access: off }
`, tunnels, server))
	s.status()
	tunnel := open(t, tunnels)
	before := s.pid()
	s.replace()
	eventually(t, "it leaves", func() bool { l := s.status().Leaving; return len(l) == 1 && !l[0].Silent })
	if err := syscall.Kill(before, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer syscall.Kill(before, syscall.SIGCONT)
	if l := s.status().Leaving; len(l) != 1 || !l[0].Silent || l[0].PID != before {
		t.Errorf("%+v", l)
	}
	if c := s.command("drain", server, "--wait", "--timeout", "100ms"); !strings.Contains(c.await(), "does not answer") || c.status != 1 {
		t.Errorf("drain: %d %s", c.status, c.await())
	}
	if c := s.command("kill", server); !strings.Contains(c.await(), "does not answer") || c.status != 1 {
		t.Errorf("kill: %d %s", c.status, c.await())
	}
	syscall.Kill(before, syscall.SIGCONT)
	// The order of before is carried out late, and its answer is nobody's.
	if !hasEnded(tunnel) {
		t.Error("the tunnel goes on")
	}
	s.command("drain", server, "--wait").succeeds(t, "empty")
}
