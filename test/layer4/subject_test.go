package layer4

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/control/handover"
	"github.com/weir-proxy/weir/test/peers"
)

func TestMain(m *testing.M) {
	if c := handover.Inherited(); c != nil {
		if _, err := os.Stat(takesNoFlows); err == nil {
			askForAddress(c)
		} else {
			failTakingOver(c)
		}
		os.Exit(1)
	}
	os.Exit(peers.Main(m))
}

// subject is a running weir, or one after the other: its binary may be replaced.
type subject struct {
	*peers.Process
	t     *testing.T
	dir   string
	admin string
}

// start starts a weir; ADMIN in the configuration becomes an admin socket, DIR the test's directory.
func start(t *testing.T, dir, config string, addresses ...string) *subject {
	t.Helper()
	binary, err := peers.WeirBinary()
	if err != nil {
		t.Fatal(err)
	}
	s := &subject{t: t, dir: dir, admin: peers.AdminSocket()}
	if err := os.Symlink(binary, s.program()); err != nil {
		t.Fatal(err)
	}
	s.write(config)
	s.Process, err = peers.Start("weir", dir, exec.Command(s.program(), "run", "-c", "weir.yaml", "--loops", "2", "--pid-file", filepath.Join(dir, "weir.pid")), append(addresses, s.admin)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Stop()
		log := s.log()
		if strings.Contains(log, "panic") || strings.Contains(log, "BUG") {
			t.Errorf("weir panicked:\n%s", log)
		} else if t.Failed() {
			t.Logf("weir said:\n%s", log[max(0, len(log)-6000):])
		}
	})
	s.status() // it answers once the listeners are open
	return s
}

func (s *subject) write(config string) {
	s.t.Helper()
	config = strings.ReplaceAll(strings.ReplaceAll(config, "DIR", s.dir), "ADMIN", s.admin)
	next := filepath.Join(s.dir, "weir.yaml.next")
	if err := os.WriteFile(next, []byte(config), 0o644); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(s.dir, "weir.yaml")); err != nil {
		s.t.Fatal(err)
	}
}

// program is what weir is started by, a link: what it leads to may be replaced.
func (s *subject) program() string { return filepath.Join(s.dir, "weir") }

func (s *subject) log() string {
	text, err := os.ReadFile(s.Log)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// pid is that of the process that serves now.
func (s *subject) pid() int {
	s.t.Helper()
	pid := 0
	eventually(s.t, "a pid", func() bool {
		text, _ := os.ReadFile(filepath.Join(s.dir, "weir.pid"))
		fmt.Sscan(string(text), &pid)
		return pid > 0
	})
	return pid
}

// reload has the process that serves read its configuration again, and waits for it.
func (s *subject) reload() {
	s.t.Helper()
	before := strings.Count(s.log(), "msg=reloaded")
	syscall.Kill(s.pid(), syscall.SIGHUP)
	eventually(s.t, "the reload", func() bool { return strings.Count(s.log(), "msg=reloaded") == before+1 })
}

// replace has a new process take over, and waits until it serves.
func (s *subject) replace() {
	s.t.Helper()
	before := s.pid()
	syscall.Kill(before, syscall.SIGUSR2)
	eventually(s.t, "a new process", func() bool { return s.pid() != before })
}

func (s *subject) status() *api.Status {
	s.t.Helper()
	response, err := peers.AskAdmin(s.admin, "/status")
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	st := &api.Status{}
	if err := json.NewDecoder(response.Body).Decode(st); err != nil {
		s.t.Fatal(err)
	}
	return st
}

// descriptors is how many the process has open.
func (s *subject) descriptors() int {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.pid()))
	if err != nil {
		s.t.Fatal(err)
	}
	return len(entries)
}

// resident is the memory of the process that serves.
func (s *subject) resident() (bytes int64) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", s.pid()))
	if err != nil {
		s.t.Fatal(err)
	}
	var size, pages int64
	fmt.Sscan(string(text), &size, &pages)
	return pages * int64(os.Getpagesize())
}

func free(t *testing.T) string {
	t.Helper()
	address, err := peers.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	if !waitFor(is) {
		t.Fatalf("not so after 20 s: %s", what)
	}
}

// waitFor waits until it is so, for 20 s at most.
func waitFor(is func() bool) bool {
	for by := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(by) {
			return false
		}
	}
	return true
}
