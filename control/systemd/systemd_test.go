package systemd

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// manager is the service manager's socket.
func manager(t *testing.T) *net.UnixConn {
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return c
}

func TestTheManagerIsTold(t *testing.T) {
	c := manager(t)
	b := make([]byte, 4096)
	for want, tell := range map[string]func() error{
		"READY=1\nSTATUS=2 listeners": func() error { return Ready("2 listeners") },
		"STOPPING=1\nSTATUS=draining": func() error { return Stopping("draining") },
		"MAINPID=4711":                func() error { return Replaced(4711) },
		"WATCHDOG=1":                  Alive,
		"A=1\nB=2":                    func() error { return Notify("A=1", "B=2") },
	} {
		if err := tell(); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(b); err != nil || string(b[:n]) != want {
			t.Errorf("told %q, %v, want %q", b[:n], err, want)
		}
	}
	if err := Reloading(); err != nil {
		t.Fatal(err)
	}
	n, _ := c.Read(b)
	first, at, _ := strings.Cut(string(b[:n]), "\n")
	micros, err := strconv.ParseInt(strings.TrimPrefix(at, "MONOTONIC_USEC="), 10, 64)
	if first != "RELOADING=1" || err != nil || micros <= 0 {
		t.Errorf("told %q", b[:n])
	}
	c.Close()
	if err := Alive(); err == nil || !strings.HasPrefix(err.Error(), "notify: ") && !strings.Contains(err.Error(), "refused") {
		t.Errorf("a manager that is gone: %v", err)
	}
	t.Setenv("NOTIFY_SOCKET", "")
	if err := Ready("x"); err != nil {
		t.Errorf("without a manager: %v", err)
	}
}

func TestHowOftenTheWatchdogWantsToHear(t *testing.T) {
	own := strconv.Itoa(os.Getpid())
	for _, c := range []struct {
		micros, pid string
		tookOver    bool
		want        time.Duration
	}{
		{"", "", false, 0}, {"x", "", false, 0}, {"-1", own, false, 0}, {"0", own, false, 0},
		{"30000000", "", false, 30 * time.Second}, {"30000000", own, false, 30 * time.Second},
		{"30000000", "1", false, 0}, {"30000000", "1", true, 30 * time.Second},
	} {
		t.Setenv("WATCHDOG_USEC", c.micros)
		t.Setenv("WATCHDOG_PID", c.pid)
		if got := Watchdog(c.tookOver); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// The sockets of a socket unit are found in a process that is started as systemd does it: from descriptor 3 on, with LISTEN_PID set by the process that becomes weir.
func TestSocketsOfASocketUnit(t *testing.T) {
	if os.Getenv("SYSTEMD_TEST") != "" {
		listSockets()
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	six, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Fatal(err)
	}
	defer six.Close()
	path := filepath.Join(t.TempDir(), "s")
	local, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	start := func(set string) string {
		c := exec.Command("sh", "-c", set+` exec "$0" -test.run TestSocketsOfASocketUnit`, os.Args[0])
		c.Env = append(os.Environ(), "SYSTEMD_TEST=1")
		for _, l := range []any{tcp, six, local, udp, tcp} {
			f, err := l.(interface{ File() (*os.File, error) }).File()
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			c.ExtraFiles = append(c.ExtraFiles, f)
		}
		out, err := c.Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	want := []string{tcp.Addr().String() + " [3 7]", six.Addr().String() + " [4]", "unix:" + path + " [5]", "environment: "}
	slices.Sort(want)
	if got := start("LISTEN_PID=$$ LISTEN_FDS=5 LISTEN_FDNAMES=a:b:c:d:e; export LISTEN_PID LISTEN_FDS LISTEN_FDNAMES;"); got != strings.Join(want, "\n")+"\n" {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, set := range []string{"", "LISTEN_PID=1 LISTEN_FDS=5; export LISTEN_PID LISTEN_FDS;", "LISTEN_PID=$$ LISTEN_FDS=x; export LISTEN_PID LISTEN_FDS;"} {
		if got := start(set); got != "environment: \n" {
			t.Errorf("%q: got %q", set, got)
		}
	}
}

// listSockets is the process that was started: it prints its sockets, and what the environment still says of them.
func listSockets() {
	var lines []string
	for address, fds := range Sockets() {
		lines = append(lines, fmt.Sprint(address, " ", fds))
	}
	lines = append(lines, "environment: "+os.Getenv("LISTEN_PID")+os.Getenv("LISTEN_FDS")+os.Getenv("LISTEN_FDNAMES"))
	slices.Sort(lines)
	fmt.Println(strings.Join(lines, "\n"))
	os.Exit(0)
}
