package faults

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

func TestSIGTERMLetsWorkUnderWayEnd(t *testing.T) {
	binary, err := weirBinary()
	if err != nil {
		t.Fatal(err)
	}
	address, err := peers.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "weir.yaml")
	config := `{ listeners: { front: "` + address + `" }, sites: { "*": "http://` + origin(t, "web") + `" }, admin: off, logs: { access: off } }`
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	// Not by package peers, which keeps the exit status to itself.
	var said strings.Builder
	weir := exec.Command(binary, "run", "-c", file)
	weir.Stderr = &said
	if err := weir.Start(); err != nil {
		t.Fatal(err)
	}
	defer weir.Process.Kill()
	within(t, 5*time.Second, "weir to serve", func() bool { return newConnections(address, "/")()() == nil })

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
	weir.Process.Signal(syscall.SIGTERM)
	time.Sleep(200 * time.Millisecond)
	if err := newConnections(address, "/")()(); err == nil {
		t.Error("a new connection is served after SIGTERM")
	}
	for range work {
		if err := <-ends; err != nil {
			t.Error(err)
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- weir.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("exit: %v\n%s", err, said.String())
		}
	case <-time.After(3 * time.Second):
		t.Error("weir is still there 3 s after the last request ended")
	}
}
