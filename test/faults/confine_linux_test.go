package faults

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-proxy/weir/control/admin/api"
	"github.com/weir-proxy/weir/control/admin/client"
	"github.com/weir-proxy/weir/test/peers"
)

// confined is a weir started by root with flags that take powers away.
func startConfined(t *testing.T, extra string, args ...string) (w *process, dir string, ask *client.Client) {
	t.Helper()
	dir = t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	os.Mkdir(filepath.Join(dir, "logs"), 0o777)
	os.Chmod(filepath.Join(dir, "logs"), 0o777)
	admin := "unix:" + filepath.Join(dir, "logs/admin.sock") // where --landlock allows writes already
	w = startProcess(t, confinedConfig(dir, origin(t, "web"), admin, extra, "logs/access.log"), args...)
	ask = client.New(admin)
	within(t, 5*time.Second, "the admin address", func() bool { _, err := ask.Status(context.Background()); return err == nil })
	return w, dir, ask
}

func confinedConfig(dir, origin, admin, extra, log string) string {
	return strings.NewReplacer("DIR", dir, "ORIGIN", origin, "ADMIN", admin, "EXTRA", extra, "LOG", log).Replace(
		`{ listeners: { front: "FRONT"EXTRA }, sites: { "*": "http://ORIGIN" }, admin: "ADMIN", logs: { access: DIR/LOG }, data: DIR/data }`)
}

// rewrite changes the file that the process reads.
func (p *process) rewrite(old, new string) {
	p.t.Helper()
	file := p.Args[3]
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), old) {
		p.t.Fatalf("%s has no %q: %v", file, old, err)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), old, new, 1)), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

func reloadOf(t *testing.T, ask *client.Client) *api.Reload {
	t.Helper()
	r, err := ask.Reload(context.Background(), client.ReloadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func statusOf(t *testing.T, ask *client.Client) *api.Status {
	t.Helper()
	st, err := ask.Status(context.Background())
	if err != nil || st.Process == nil {
		t.Fatalf("%v: %+v", err, st)
	}
	return st
}

// replacedBy sends SIGUSR2 and returns the process that answers then.
func replacedBy(t *testing.T, ask *client.Client, pid int) (next int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	within(t, 10*time.Second, "the new process", func() bool {
		st, err := ask.Status(context.Background())
		if err == nil && st.PID != pid {
			next = st.PID
		}
		return next != 0
	})
	// Until the old process is gone it may go on: if its successor ends soon after it has begun to serve.
	within(t, 10*time.Second, "the end of the old process", func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || strings.Contains(string(stat), ") Z ")
	})
	return next
}

// What is kept of certificates is written at the start, as root, and at any time later, as the user.
func TestWhatIsKeptOfCertificatesIsTheUsers(t *testing.T) {
	if os.Getuid() != 0 {
		refusesToBeNobody(t)
		return
	}
	const secure = `, secure: { address: "127.0.0.78:4443", tls: on }`
	w, dir, ask := startConfined(t, secure, "--user", "nobody")
	kept := filepath.Join(dir, "data", "authority")
	for _, name := range []string{kept, filepath.Join(kept, "root.key"), filepath.Dir(kept)} {
		st, err := os.Lstat(name)
		if err != nil || st.Sys().(*syscall.Stat_t).Uid == 0 {
			t.Errorf("%s is root's: %v", name, err)
		}
	}
	before, err := os.ReadFile(filepath.Join(kept, "root.pem"))
	if err != nil {
		t.Fatal(err)
	}
	replacedBy(t, ask, w.Process.Pid) // runs as the user from the beginning
	if after, _ := os.ReadFile(filepath.Join(kept, "root.pem")); string(after) != string(before) {
		t.Error("the process that took over has another root")
	}
	if log := w.said.String(); strings.Contains(log, "authority") {
		t.Errorf("weir said:\n%s", log)
	}
}

func TestRootsPowersAreGivenAway(t *testing.T) {
	if os.Getuid() != 0 {
		// Who is not root cannot give root's powers away; asking for it must not be passed over.
		refusesToBeNobody(t)
		return
	}
	const low = `, low: "127.0.0.77:81"`
	w, _, ask := startConfined(t, low, "--user", "nobody")
	pid := w.Process.Pid
	for range 2 {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{`Uid:\s65534\s65534\s65534\s65534\n`, `CapEff:\s0000000000000400\n`, `CapPrm:\s0000000000000400\n`, `Groups:\s65534 ?\n`} {
			if !regexp.MustCompile(line).Match(text) {
				t.Errorf("process %d is not confined: want %s in\n%s", pid, line, text)
			}
		}
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
		for _, thread := range threads {
			if text, err := os.ReadFile(thread); err == nil && !strings.Contains(string(text), "CapEff:\t0000000000000400\n") {
				t.Errorf("a thread kept its powers: %s", thread)
			}
		}
		if p := statusOf(t, ask).Process; p.User != "nobody" || !p.LowPorts || p.Landlock {
			t.Errorf("%+v", p)
		}
		if err := newConnections("127.0.0.77:81", "/")()(); err != nil {
			t.Errorf("the low port: %v", err)
		}
		pid = replacedBy(t, ask, pid)
	}
	w.rewrite(low, low+`, more: "127.0.0.77:82"`)
	if r := reloadOf(t, ask); !r.OK {
		t.Errorf("a reload cannot open a low port: %s", r.Error)
	} else if err := newConnections("127.0.0.77:82", "/")()(); err != nil {
		t.Errorf("the low port that a reload has opened: %v", err)
	}
}

func refusesToBeNobody(t *testing.T) {
	binary, err := peers.WeirBinary()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "weir.yaml")
	if err := os.WriteFile(file, []byte(`{ listeners: { front: "127.0.0.1:0" }, sites: { "*": "http://127.0.0.1:1" }, admin: off }`), 0o644); err != nil {
		t.Fatal(err)
	}
	said, err := exec.Command(binary, "run", "-c", file, "--user", "nobody").CombinedOutput()
	if err == nil || !strings.Contains(string(said), "only root can become another user") {
		t.Errorf("%v: %s", err, said)
	}
}

func TestLandlockRefusesWritesElsewhere(t *testing.T) {
	w, dir, ask := startConfined(t, "", "--landlock")
	pid := w.Process.Pid
	if strings.Contains(w.said.String(), "not restricted by Landlock") {
		if err := newConnections(w.address, "/")()(); err != nil || statusOf(t, ask).Process.Landlock {
			t.Errorf("on a kernel without Landlock weir serves and says so: %v", err)
		}
		return
	}
	for range 18 { // more than the kernel nests
		if !statusOf(t, ask).Process.Landlock {
			t.Fatal("the status says that Landlock does not hold")
		}
		pid = replacedBy(t, ask, pid)
	}
	if err := newConnections(w.address, "/logged")()(); err != nil {
		t.Error(err)
	}
	within(t, 5*time.Second, "the first log", func() bool {
		text, _ := os.ReadFile(filepath.Join(dir, "logs/access.log"))
		return strings.Contains(string(text), "/logged")
	})
	w.rewrite("logs/access.log", "elsewhere.log")
	if r := reloadOf(t, ask); r.OK || !strings.Contains(r.Rendered, "logs.access: --landlock: since its start, weir cannot write to "+dir) {
		t.Errorf("a log where nothing may be written was taken, or the reason is not said: %+v", r)
	}
	w.rewrite("elsewhere.log", "logs/other.log")
	if r := reloadOf(t, ask); !r.OK {
		t.Errorf("a log beside the first one: %s", r.Error)
	}
	if err := newConnections(w.address, "/")()(); err != nil {
		t.Error(err)
	}
}
