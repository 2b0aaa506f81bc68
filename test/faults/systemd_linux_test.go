package faults

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

// manager is what systemd is for a service: a socket that hears.
type manager struct {
	t      *testing.T
	socket *net.UnixConn
	path   string
}

func startManager(t *testing.T) *manager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	return &manager{t: t, socket: socket, path: path}
}

// hears waits for a message with the word, and skips others.
func (m *manager) hears(word string) string {
	m.t.Helper()
	m.socket.SetReadDeadline(time.Now().Add(5 * time.Second))
	buf := make([]byte, 4096)
	for {
		n, err := m.socket.Read(buf)
		if err != nil {
			m.t.Fatalf("waited for %s: %v", word, err)
		}
		if text := string(buf[:n]); strings.Contains(text, word) {
			return text
		}
	}
}

func TestTheServiceManagerIsToldAndStartsTheWatchdog(t *testing.T) {
	m := startManager(t)
	t.Setenv("NOTIFY_SOCKET", m.path)
	t.Setenv("WATCHDOG_USEC", "200000")
	w := startProcess(t, `{ listeners: { front: "FRONT" }, sites: { "*": "http://`+origin(t, "web")+`" }, admin: off, logs: { access: off } }`)
	if text := m.hears("READY=1"); !strings.Contains(text, "STATUS=serving 1 sites on 1 listeners") {
		t.Errorf("%q", text)
	}
	for range 3 {
		m.hears("WATCHDOG=1")
	}
	w.Process.Signal(syscall.SIGHUP)
	if text := m.hears("RELOADING=1"); !strings.Contains(text, "MONOTONIC_USEC=") {
		t.Errorf("%q", text)
	}
	m.hears("READY=1")
	w.Process.Signal(syscall.SIGUSR2)
	var pid int
	if _, err := fmt.Sscanf(m.hears("MAINPID="), "MAINPID=%d", &pid); err != nil || pid == w.Process.Pid {
		t.Errorf("the service is process %d: %v", pid, err)
	}
	w.exits(2 * time.Second)
	for range 3 {
		m.hears("WATCHDOG=1") // of the new process, though WATCHDOG_PID may name the old one
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	m.hears("STOPPING=1")
}

// With a socket of the service manager clients wait while there is no weir, and are served by the next.
func TestSocketsOfTheServiceManagerAreTaken(t *testing.T) {
	binary, err := peers.WeirBinary()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	address := l.Addr().String()
	file := filepath.Join(t.TempDir(), "weir.yaml")
	config := `{ listeners: { front: "` + address + `" }, sites: { "*": "http://` + origin(t, "web") + `" }, admin: off, logs: { access: off } }`
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		early := dial(t, address)
		answered := make(chan error)
		go func() { answered <- early.ok("/") }()
		command := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=http exec "$@"`, "sh", binary, "run", "-c", file, "--loops", "2")
		command.ExtraFiles = []*os.File{socket}
		w := startCommand(t, command, address)
		if err := <-answered; err != nil {
			t.Errorf("a client from before the start: %v", err)
		}
		w.Process.Signal(syscall.SIGUSR2) // what was taken can be handed on
		w.exits(5 * time.Second)
		if err := newConnections(address, "/")()(); err != nil {
			t.Errorf("after a replacement: %v", err)
		}
		syscall.Kill(-w.Process.Pid, syscall.SIGKILL)
		time.Sleep(100 * time.Millisecond)
	}
}
