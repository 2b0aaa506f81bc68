package faults

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/test/peers"
)

func TestMain(m *testing.M) { os.Exit(peers.Main(m)) }

// subject is a running weir.
type subject struct {
	*peers.Process
	t       *testing.T
	dir     string
	address map[string]string // of the names in capitals in the configuration
}

// start starts a weir. FRONT and SECOND in the configuration become free addresses, ADMIN an admin socket, DIR the test's directory.
func start(t *testing.T, config string) *subject {
	t.Helper()
	return startUnder(t, config, nil)
}

// startUnder is start with a program before weir's own command line, such as a shell that lowers a limit first.
func startUnder(t *testing.T, config string, wrapper []string) *subject {
	t.Helper()
	binary, err := peers.WeirBinary()
	if err != nil {
		t.Fatal(err)
	}
	return startProgram(t, config, append(wrapper, binary))
}

// startProgram starts another weir than this tree's.
func startProgram(t *testing.T, config string, program []string) *subject {
	t.Helper()
	addresses, err := peers.FreeAddresses(2)
	if err != nil {
		t.Fatal(err)
	}
	s := &subject{t: t, dir: t.TempDir(), address: map[string]string{"FRONT": addresses[0], "SECOND": addresses[1], "ADMIN": peers.AdminSocket()}}
	s.write(config)
	args := append(program, "run", "-c", "weir.yaml", "--loops", "2")
	s.Process, err = peers.Start("weir", s.dir, exec.Command(args[0], args[1:]...), s.address["FRONT"], s.address["ADMIN"])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !s.Alive() {
			t.Errorf("weir has ended:\n%s", s.log())
		}
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
		if log := s.log(); strings.Contains(log, "panic") || strings.Contains(log, "BUG") {
			t.Errorf("weir panicked:\n%s", log)
		} else if t.Failed() {
			t.Logf("weir said:\n%s", log)
		}
	})
	// Its addresses open one after the other.
	within(t, 10*time.Second, "weir to serve", func() bool { return strings.Contains(s.log(), "msg=serving") })
	return s
}

// write writes the configuration, as an editor does: whole or not at all.
func (s *subject) write(config string) {
	s.t.Helper()
	config = strings.ReplaceAll(config, "DIR", s.dir)
	for name, address := range s.address {
		config = strings.ReplaceAll(config, name, address)
	}
	next := filepath.Join(s.dir, "weir.yaml.next")
	if err := os.WriteFile(next, []byte(config), 0o644); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(s.dir, "weir.yaml")); err != nil {
		s.t.Fatal(err)
	}
}

// Words of weir's log that end a reload.
const (
	reloaded = "msg=reloaded"
	refused  = `msg="reload refused`
)

// reload sends SIGHUP and waits until the log has said the word once more.
func (s *subject) reload(word string) {
	s.t.Helper()
	before := strings.Count(s.log(), word)
	if err := s.Signal(syscall.SIGHUP); err != nil {
		s.t.Fatal(err)
	}
	within(s.t, 5*time.Second, "the log to say "+word, func() bool { return strings.Count(s.log(), word) == before+1 })
}

// log returns what weir has said so far.
func (s *subject) log() string {
	text, err := os.ReadFile(s.Log)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// status asks the admin address.
func (s *subject) status() *api.Status {
	s.t.Helper()
	response, err := peers.AskAdmin(s.address["ADMIN"], "/status")
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	var status api.Status
	if err := json.NewDecoder(response.Body).Decode(&status); err != nil {
		s.t.Fatal(err)
	}
	return &status
}

// within waits until the condition holds.
func within(t *testing.T, d time.Duration, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(d); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", d, what)
		}
	}
}
