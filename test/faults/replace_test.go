package faults

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/test/peers"
)

// replaceable is a weir whose binary is replaced while it runs. The processes are one group.
type replaceable struct {
	t       *testing.T
	dir     string
	front   string
	secure  string
	admin   string
	real    string // the binary that works
	said    *lockedBuffer
	process *exec.Cmd
}

// takeoverLimit is how long the new binaries of these tests have.
const takeoverLimit = 1500 * time.Millisecond

// startReplaceable starts one; pool is what its only pool has besides a health check.
func startReplaceable(t *testing.T, pool string) *replaceable {
	t.Helper()
	binary, err := peers.WeirBinary()
	if err != nil {
		t.Fatal(err)
	}
	addresses, err := peers.FreeAddresses(3)
	if err != nil {
		t.Fatal(err)
	}
	r := &replaceable{t: t, dir: t.TempDir(), front: addresses[0], secure: addresses[1], admin: peers.AdminSocket(), real: binary, said: &lockedBuffer{}}
	certificate, err := peers.NewCertificate(r.dir, "good.test")
	if err != nil {
		t.Fatal(err)
	}
	r.write("weir.yaml", fmt.Sprintf(`
listeners:
  front: { address: %q }
  socket: "unix:%s/front.sock"
  secure: { address: %q, tls: { certificates: [{ cert: %s, key: %s }] } }
pools: { web: { %s, health: { path: /, every: 1s } } }
sites: { "*": web }
admin: { socket: %q, address: %q }
logs: { access: DIR/access.log }
`, r.front, r.dir, r.secure, certificate.Cert, certificate.Key, pool, strings.TrimPrefix(r.admin, "unix:"), addresses[2]))
	r.install("exec")
	r.process = exec.Command(filepath.Join(r.dir, "weir"), "run", "-c", filepath.Join(r.dir, "weir.yaml"), "--loops", "2", "--takeover", takeoverLimit.String(),
		"--pid-file", filepath.Join(r.dir, "weir.pid"))
	r.process.Stderr = r.said
	r.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := r.process.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { r.process.Process.Wait(); close(ended) }()
	t.Cleanup(func() {
		syscall.Kill(-r.process.Process.Pid, syscall.SIGKILL)
		<-ended
		if t.Failed() {
			t.Logf("weir said:\n%s", tail(r.said.String(), 60))
		}
	})
	within(t, 10*time.Second, "weir to serve", func() bool { return newConnections(r.front, "/")()() == nil && r.pid() > 0 })
	return r
}

func (r *replaceable) write(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(strings.ReplaceAll(text, "DIR", r.dir)), 0o755); err != nil {
		r.t.Fatal(err)
	}
}

// install puts another program in the place of the binary, as package managers do: by a rename.
func (r *replaceable) install(kind string) {
	r.t.Helper()
	unshare := "unshare -n"
	if os.Getuid() != 0 {
		unshare = "unshare -rn"
	}
	scripts := map[string]string{
		"exec":    `exec -a "$0" REAL "$@"`,
		"crash":   `exit 3`,
		"killed":  `kill -SEGV $$`,
		"hang":    `exec sleep 60`,
		"refuse":  `exec REAL run -c DIR/wrong.yaml`,
		"late":    `sleep 0.3; exec -a "$0" REAL "$@"`,
		"blind":   `exec ` + unshare + ` bash -c 'exec -a "$0" REAL "$@"' "$0" "$@"`, // it reaches no server
		"no such": ``,
	}
	r.write("wrong.yaml", "sites: 3\n")
	if kind == "no such" {
		os.Remove(filepath.Join(r.dir, "weir"))
		return
	}
	r.write("weir.next", "#!/bin/bash\n"+strings.ReplaceAll(scripts[kind], "REAL", r.real)+"\n")
	if err := os.Rename(filepath.Join(r.dir, "weir.next"), filepath.Join(r.dir, "weir")); err != nil {
		r.t.Fatal(err)
	}
}

// pid asks the admin address who answers; 0 when nobody does.
func (r *replaceable) pid() int {
	response, err := peers.AskAdmin(r.admin, "/status")
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	var st api.Status
	if json.NewDecoder(response.Body).Decode(&st) != nil || st.State != api.Running {
		return 0
	}
	return st.PID
}

// Words of the log of the process that is to be replaced.
const (
	tookOver = "the new binary has taken over"
	goesOn   = "the new binary did not take over; this process goes on"
)

// replace puts a binary there, asks for it, and waits until it has taken over, or has been given up.
func (r *replaceable) replace(kind string) {
	r.t.Helper()
	r.install(kind)
	before := 0
	within(r.t, 5*time.Second, "a process to answer", func() bool { before = r.pid(); return before > 0 })
	took, failed := strings.Count(r.said.String(), tookOver), strings.Count(r.said.String(), goesOn)
	if err := syscall.Kill(before, syscall.SIGUSR2); err != nil {
		r.t.Fatalf("process %d: %v", before, err)
	}
	if kind == "exec" {
		within(r.t, 10*time.Second, "the new binary", func() bool { return strings.Count(r.said.String(), tookOver) > took })
		within(r.t, 10*time.Second, "the new process to answer", func() bool { now := r.pid(); return now != 0 && now != before })
		return
	}
	within(r.t, takeoverLimit+5*time.Second, "the old binary to go on after one that is "+kind, func() bool { return strings.Count(r.said.String(), goesOn) > failed })
	if now := r.pid(); now != before {
		r.t.Errorf("after a binary that is %s process %d answers, not %d", kind, now, before)
	}
}

// replacements is the order in which binaries come.
var replacements = []string{"exec", "crash", "exec", "exec", "hang", "exec", "refuse", "exec", "blind", "exec", "killed", "exec", "no such", "exec", "exec"}

func TestBinaryReplacementsUnderLoadLoseNothing(t *testing.T) {
	n, atLeast := len(replacements), 5000
	if *soak {
		n, atLeast = 100*len(replacements)/10, 200_000
	}
	r := startReplaceable(t, `servers: ["`+origin(t, "web")+`", "`+origin(t, "web")+`"]`)
	unix := filepath.Join(r.dir, "front.sock")
	var closed atomic.Int64
	loads := map[string]*load{
		"kept connections":     run(16, time.Millisecond, keepAlive(t, r.front, "/")),
		"thoughtful clients":   run(8, 150*time.Millisecond, keepAlive(t, r.front, "/")),
		"new connections":      run(4, 5*time.Millisecond, newConnections(r.front, "/")),
		"TLS":                  run(4, 5*time.Millisecond, secureClient(r.secure, &closed)),
		"HTTP/3":               run(4, 5*time.Millisecond, overHTTP3(t, r.secure, "/")),
		"HTTP/3, slow answers": run(4, time.Millisecond, overHTTP3(t, r.secure, "/drip/10/100ms")),
		"slow answers":         run(4, time.Millisecond, keepAlive(t, r.front, "/drip/10/100ms")),
		"uploads":              run(4, time.Millisecond, uploads(t, r.front)),
		"Unix socket":          run(2, 5*time.Millisecond, overUnix(t, unix)),
		"pipelining":           run(2, 3*time.Millisecond, pipelined(t, r.front)),
		"new, then thoughtful": run(2, 30*time.Millisecond, hesitant(t, r.front)),
	}
	pid := filepath.Join(r.dir, "weir.pid")
	within(t, 5*time.Second, "the pid file", func() bool { return pidReader(pid)()() == nil })
	readers := run(2, 50*time.Microsecond, pidReader(pid))
	good := 0
	for i := range n {
		kind := replacements[i%len(replacements)]
		r.replace(kind)
		if kind == "exec" {
			good++
		}
	}
	readers.end(t)
	asked := 0
	for name, l := range loads {
		some := l.end(t)
		t.Logf("%-22s %7d requests", name, some)
		asked += some
	}
	t.Logf("%d replacements, %d of them to binaries that fail; %d requests, %d TLS connections ended by Connection: close", n, n-good, asked, closed.Load())
	if asked < atLeast {
		t.Errorf("%d requests prove less than %d", asked, atLeast)
	}
	within(t, 40*time.Second, "the old processes to end", func() bool { return strings.Count(r.said.String(), "msg=stopped") == good })
	if text, err := os.ReadFile(pid); err != nil || strings.TrimSpace(string(text)) != fmt.Sprint(r.pid()) {
		t.Errorf("the pid file says %q, %d serves: %v", text, r.pid(), err)
	}
	if said := r.said.String(); strings.Contains(said, "panic") || strings.Contains(said, "BUG") {
		t.Errorf("weir panicked:\n%s", said)
	}
}

// pidReader finds a process id in the file at every moment.
func pidReader(file string) func() func() error {
	return func() func() error {
		return func() error {
			text, err := os.ReadFile(file)
			if id, _ := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && id == 0 {
				err = fmt.Errorf("the pid file says %q", text)
			}
			return err
		}
	}
}

// A successor that is killed right after it has begun to serve leaves the old process, which still has all that it needs to go on.
func TestTheOldProcessGoesOnWhenItsSuccessorIsKilled(t *testing.T) {
	r := startReplaceable(t, `servers: ["`+origin(t, "web")+`"]`)
	for round := range 3 {
		before := r.pid()
		served, failed := strings.Count(r.said.String(), "msg=serving"), strings.Count(r.said.String(), goesOn)
		syscall.Kill(before, syscall.SIGUSR2)
		within(t, 10*time.Second, "the new process to serve", func() bool { return strings.Count(r.said.String(), "msg=serving") > served })
		said := r.said.String()
		next := 0
		fmt.Sscanf(said[strings.LastIndex(said, "msg=serving pid=")+len("msg=serving pid="):], "%d", &next)
		time.Sleep(time.Duration(round*30) * time.Millisecond)
		if next == before || syscall.Kill(next, syscall.SIGKILL) != nil {
			t.Fatalf("process %d is not there to be killed", next)
		}
		within(t, 5*time.Second, "the old process to go on", func() bool { return strings.Count(r.said.String(), goesOn) > failed })
		for range 5 {
			for _, ask := range []func() error{newConnections(r.front, "/")(), overHTTP3(t, r.secure, "/")(), overUnix(t, filepath.Join(r.dir, "front.sock"))()} {
				if err := ask(); err != nil {
					t.Errorf("round %d: %v", round, err)
				}
			}
		}
		within(t, 5*time.Second, "the pid file to name the old process", func() bool {
			text, _ := os.ReadFile(filepath.Join(r.dir, "weir.pid"))
			return strings.TrimSpace(string(text)) == fmt.Sprint(before)
		})
		if now := r.pid(); now != before {
			t.Errorf("process %d answers, not %d", now, before)
		}
	}
	r.replace("exec") // as ever
}

// A successor that hangs after it has begun to serve is noticed, however late in the time in which both serve: it is ended, and the old process goes on.
func TestTheOldProcessGoesOnWhenItsSuccessorHangs(t *testing.T) {
	r := startReplaceable(t, `servers: ["`+origin(t, "web")+`"]`)
	before := r.pid()
	for _, after := range []time.Duration{0, 300 * time.Millisecond, 800 * time.Millisecond} {
		served, failed := strings.Count(r.said.String(), "msg=serving"), strings.Count(r.said.String(), goesOn)
		syscall.Kill(before, syscall.SIGUSR2)
		within(t, 10*time.Second, "the new process to serve", func() bool { return strings.Count(r.said.String(), "msg=serving") > served })
		said := r.said.String()
		next := 0
		fmt.Sscanf(said[strings.LastIndex(said, "msg=serving pid=")+len("msg=serving pid="):], "%d", &next)
		time.Sleep(after)
		if next == before || syscall.Kill(next, syscall.SIGSTOP) != nil {
			t.Fatalf("process %d is not there to be stopped", next)
		}
		within(t, 10*time.Second, "the old process to go on", func() bool { return strings.Count(r.said.String(), goesOn) > failed })
		if said := r.said.String(); !strings.Contains(said[strings.LastIndex(said, goesOn):], "it stopped answering after it had begun to serve") {
			t.Errorf("%v after: the log does not say why", after)
		}
		for range 5 {
			for _, ask := range []func() error{newConnections(r.front, "/")(), overHTTP3(t, r.secure, "/")(), overUnix(t, filepath.Join(r.dir, "front.sock"))()} {
				if err := ask(); err != nil {
					t.Errorf("%v after: %v", after, err)
				}
			}
		}
		if now := r.pid(); now != before {
			t.Errorf("process %d answers, not %d", now, before)
		}
	}
	r.replace("exec") // as ever
}

// An old process that is killed while its successor starts leaves that one, which has got the sockets.
func TestTheNewProcessGoesOnWhenTheOldIsKilled(t *testing.T) {
	r := startReplaceable(t, `servers: ["`+origin(t, "web")+`"]`)
	r.install("late")
	before := r.pid()
	served := strings.Count(r.said.String(), "msg=serving")
	syscall.Kill(before, syscall.SIGUSR2)
	within(t, 5*time.Second, "the new process to be started", func() bool { return strings.Contains(r.said.String(), "starting the new binary") })
	time.Sleep(100 * time.Millisecond) // it has got the sockets, and sleeps
	syscall.Kill(before, syscall.SIGKILL)
	within(t, 10*time.Second, "the new process to serve", func() bool { return strings.Count(r.said.String(), "msg=serving") > served })
	for range 5 {
		for _, ask := range []func() error{newConnections(r.front, "/")(), overHTTP3(t, r.secure, "/")(), overUnix(t, filepath.Join(r.dir, "front.sock"))()} {
			if err := ask(); err != nil {
				t.Error(err)
			}
		}
	}
}

// secureClient keeps its connection until an answer says that it was the last.
func secureClient(address string, closed *atomic.Int64) func() func() error {
	return func() func() error {
		client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 1,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "good.test"}}}
		return func() error {
			// A POST is not sent again by the client behind the test's back.
			response, err := client.Post("https://"+address+"/", "text/plain", strings.NewReader("x"))
			if err != nil {
				return err
			}
			defer response.Body.Close()
			io.Copy(io.Discard, response.Body)
			if response.Close {
				closed.Add(1)
			}
			if response.StatusCode != 200 {
				return fmt.Errorf("TLS: %s", response.Status)
			}
			return nil
		}
	}
}

// overHTTP3 keeps a connection of HTTP/3 until it is told that it was the last request's.
func overHTTP3(t *testing.T, address, path string) func() func() error {
	return func() func() error {
		tr := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "good.test"}}
		t.Cleanup(func() { tr.Close() })
		client := &http.Client{Timeout: 20 * time.Second, Transport: tr}
		return func() error {
			response, err := client.Post("https://"+address+path, "text/plain", strings.NewReader("x"))
			if err != nil {
				return fmt.Errorf("HTTP/3: %w", err)
			}
			defer response.Body.Close()
			if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != 200 {
				return fmt.Errorf("HTTP/3: %s, %w", response.Status, err)
			}
			return nil
		}
	}
}

// uploads sends a body that takes half a second.
func uploads(t *testing.T, address string) func() func() error {
	return func() func() error {
		c := dial(t, address)
		return func() error {
			c.SetDeadline(time.Now().Add(20 * time.Second))
			io.WriteString(c, "POST /upload HTTP/1.1\r\nHost: upload.test\r\nContent-Length: 10240\r\n\r\n")
			for range 10 {
				if _, err := io.WriteString(c, strings.Repeat("u", 1024)); err != nil {
					return err
				}
				time.Sleep(50 * time.Millisecond)
			}
			response, err := http.ReadResponse(c.r, nil)
			if err != nil {
				return fmt.Errorf("upload: %w", err)
			}
			if body, _ := io.ReadAll(response.Body); string(body) != "web 10240" {
				return fmt.Errorf("upload: %s %q", response.Status, body)
			}
			return nil
		}
	}
}

// pipelined sends several requests at once: they may be taken by two processes, each whole and once.
func pipelined(t *testing.T, address string) func() func() error {
	return func() func() error {
		c := dial(t, address)
		return func() error {
			c.SetDeadline(time.Now().Add(20 * time.Second))
			for i := range 5 {
				fmt.Fprintf(c, "POST /%d HTTP/1.1\r\nHost: pipelined.test\r\nContent-Length: %d\r\n\r\n%s", i, i, strings.Repeat("p", i))
			}
			for i := range 5 {
				response, err := http.ReadResponse(c.r, nil)
				if err != nil {
					return fmt.Errorf("pipelined request %d: %w", i, err)
				}
				if body, _ := io.ReadAll(response.Body); string(body) != fmt.Sprintf("web %d", i) {
					return fmt.Errorf("pipelined request %d: %s %q", i, response.Status, body)
				}
			}
			return nil
		}
	}
}

// overUnix keeps a connection to a Unix socket.
func overUnix(t *testing.T, path string) func() func() error {
	return func() func() error {
		raw, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { raw.Close() })
		c := &conn{Conn: raw, r: bufio.NewReader(raw)}
		return func() error { return c.ok("/") }
	}
}

// hesitant opens a connection, and asks only after a while.
func hesitant(t *testing.T, address string) func() func() error {
	return func() func() error {
		return func() error {
			c := dial(t, address)
			defer c.Close()
			time.Sleep(400 * time.Millisecond)
			return c.ok("/")
		}
	}
}

func tail(text string, n int) string {
	all := lines(text)
	return strings.Join(all[max(0, len(all)-n):], "\n")
}
