package networks

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const replaced = `
listeners:
  shown:    { address: ":7000", protocol: udp, pool: shown }
  captured: { address: ":7001", protocol: udp, pool: original, capture: { mode: tproxy, ports: [7100-7199], interfaces: [inside], install: on } }
  tunnels:  { address: ":7002", protocol: tcp, pool: original, capture: { mode: tproxy, ports: [7100-7199], interfaces: [inside], install: on } }
pools:
  shown:    { servers: ["10.2.0.2:7100"], source: client }
  original: { source: client }
network: on
admin: off
logs: { access: { file: DIR/access.log, format: "{dest} {server}" } }
`

// pid is that of the process that serves now, once it has written it down.
func (p *process) pid() (pid int) {
	text, _ := os.ReadFile(filepath.Join(p.Dir, "weir.pid"))
	fmt.Sscan(string(text), &pid)
	return pid
}

// replace has a new process take over, and waits until it serves.
func (p *process) replace(t *testing.T) {
	t.Helper()
	before := p.pid()
	syscall.Kill(before, syscall.SIGUSR2)
	within(t, 10*time.Second, "a new process", func() bool { return p.pid() != before })
}

// goesOn exchanges until it is told to stop, and counts what was not answered by one and the same sender's.
func goesOn(c net.Conn, name string, stop *atomic.Bool, exchanges, wrong *atomic.Int64, t *testing.T) {
	sender := ""
	for i := 0; !stop.Load(); i++ {
		text := fmt.Sprintf("%d to %s", i, name)
		got := says(c, text)
		from, isMine := strings.CutSuffix(got, " says "+text)
		if sender == "" {
			sender = from
		}
		if !isMine || from != sender {
			if wrong.Add(1) < 10 {
				t.Logf("%s: got %q, want what %q sends", name, got, sender)
			}
		}
		exchanges.Add(1)
		time.Sleep(2 * time.Millisecond)
	}
}

// A new binary takes over what was captured, and what is shown under its client's address: each server goes on seeing one and the same sender, what
// weir has installed stays in force for those who come later, and at the end it is gone.
func TestAReplacedBinaryKeepsWhatIsCapturedAndShown(t *testing.T) {
	client, weir, server := between(t)
	tell := func(from string, said []byte) []byte { return fmt.Appendf(nil, "%s says %s", from, said) }
	server.answers(":7100", tell)
	server.answers(":7150", tell)
	server.tellsAgain(":7160", tell)
	w := weir.weirIn(t.TempDir(), replaced, "--pid-file", "weir.pid")
	t.Cleanup(func() { // of a test that failed
		if pid := w.pid(); pid > 0 {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	ways := []string{"udp 10.1.0.1:7000", "udp 10.2.0.2:7150", "udp [fd02::2]:7150", "tcp 10.2.0.2:7160", "tcp [fd02::2]:7160"}
	var stop atomic.Bool
	var all sync.WaitGroup
	var wrong atomic.Int64
	exchanges := make([]atomic.Int64, len(ways))
	begin := func() {
		for i, way := range ways {
			network, address, _ := strings.Cut(way, " ")
			c, err := client.dial(network, address)
			if err != nil {
				t.Errorf("%s: %v", way, err)
				continue
			}
			says(c, "the first") // which may have to look for its neighbours
			all.Go(func() {
				defer c.Close()
				goesOn(c, way, &stop, &exchanges[i], &wrong, t)
			})
		}
	}
	const each, replacements = 5, 3
	for range each {
		begin()
	}
	for range replacements {
		time.Sleep(200 * time.Millisecond)
		w.replace(t)
		begin() // under the new one
	}
	time.Sleep(300 * time.Millisecond)
	stop.Store(true)
	all.Wait()
	for i, way := range ways {
		n := exchanges[i].Load()
		t.Logf("%s: %d exchanges", way, n)
		if n < 200 {
			t.Errorf("%s: %d exchanges prove little", way, n)
		}
	}
	if n := wrong.Load(); n > 0 {
		t.Errorf("%d exchanges went wrong", n)
	}
	last := w.pid()
	syscall.Kill(last, syscall.SIGTERM)
	within(t, 10*time.Second, "the last process to go", func() bool { return syscall.Kill(last, 0) != nil })
	log, _ := os.ReadFile(filepath.Join(w.Dir, "access.log"))
	for _, line := range []string{"- 10.2.0.2:7100", "10.2.0.2:7150 10.2.0.2:7150", "[fd02::2]:7150 [fd02::2]:7150", "10.2.0.2:7160 10.2.0.2:7160", "[fd02::2]:7160 [fd02::2]:7160"} {
		if n := strings.Count(string(log), line+"\n"); n != each+replacements {
			t.Errorf("%s: %d lines in the log, want one for each of %d", line, n, each+replacements)
		}
	}
	if t.Failed() {
		t.Logf("the log:\n%s", log)
	}
	weir.isClean(t)
}

// tellsAgain runs a server for connections on the host that answers whatever comes at a time.
func (h *host) tellsAgain(address string, answer func(from string, said []byte) []byte) {
	h.t.Helper()
	l := h.listen("tcp", address)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				b := make([]byte, 2048)
				for {
					n, err := c.Read(b)
					if err != nil {
						return
					}
					if _, err := c.Write(answer(c.RemoteAddr().String(), b[:n])); err != nil {
						return
					}
				}
			}()
		}
	}()
}
