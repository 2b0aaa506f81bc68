package tidy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

// Whoever reads the first hour types what stands there. So a shell runs it: blocks marked yaml are written to the file that their first
// line names, those marked sh are typed, and those marked text must be found in what the block before them printed, line by line and in order.
// The words of such a line must follow each other with nothing but spaces, or columns of a table, between them.
func TestTheFirstHourHappens(t *testing.T) {
	dir := t.TempDir()
	elsewhere := moveAway(t, dir)
	var script strings.Builder
	var wants [][]string // by block of sh
	for _, b := range blocks(t, "docs/first-hour.md") {
		text := elsewhere.Replace(b.text)
		switch b.language {
		case "yaml":
			name := strings.TrimPrefix(strings.SplitN(text, "\n", 2)[0], "# ")
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		case "sh":
			fmt.Fprintf(&script, "exec > block%d 2>&1\n%s", len(wants), text)
			if background.MatchString(text) {
				script.WriteString("sleep 2\n") // what a reader takes to go on to the next block
			}
			wants = append(wants, nil)
		case "text":
			wants[len(wants)-1] = strings.Split(strings.TrimSpace(text), "\n")
		}
	}
	shell := exec.Command("bash", "-c", script.String())
	shell.Dir = dir
	shell.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	shell.WaitDelay = 10 * time.Second
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	defer syscall.Kill(-shell.Process.Pid, syscall.SIGKILL)
	late := time.AfterFunc(2*time.Minute, func() { syscall.Kill(-shell.Process.Pid, syscall.SIGKILL) })
	defer late.Stop()
	shell.Wait()
	if len(wants) < 15 {
		t.Fatalf("found %d blocks of sh", len(wants))
	}
	for i, want := range wants {
		printed, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("block%d", i)))
		if err != nil {
			t.Errorf("block %d was not reached: %v", i, err)
			continue
		}
		if missing := inOrder(string(printed), want); missing != "" {
			t.Errorf("block %d of sh does not print %q as it should, but:\n%s", i, missing, printed)
		}
	}
}

// background is a command that is left running, with its process noted.
var background = regexp.MustCompile(`& [A-Z]+=\$!\n`)

// moveAway builds weir into dir and returns what moves the page's ports to free ones: other tests run at the same time.
func moveAway(t *testing.T, dir string) *strings.Replacer {
	t.Helper()
	built := filepath.Join(dir, "built")
	if err := os.Mkdir(built, 0o755); err != nil {
		t.Fatal(err)
	}
	weir, err := peers.BuildWeir(built)
	if err != nil {
		t.Fatal(err)
	}
	ports := []string{"8080", "8443", "3001", "3002", "9180"}
	free, err := peers.FreeAddresses(len(ports))
	if err != nil {
		t.Fatal(err)
	}
	// The page's weir has the default admin socket, which another weir may have on this machine.
	socket := peers.AdminSocket()
	pairs := []string{"admin: 127.0.0.1:9180", fmt.Sprintf("admin: { socket: %q, address: %q }", strings.TrimPrefix(socket, "unix:"), free[4])}
	for i, p := range ports {
		pairs = append(pairs, p, free[i][strings.LastIndex(free[i], ":")+1:])
	}
	wrapper := fmt.Sprintf("#!/bin/sh\ncase $1 in status|reload) exec %s \"$@\" --address %s ;; esac\nexec %s \"$@\"\n", weir, socket, weir)
	if err := os.WriteFile(filepath.Join(dir, "weir"), []byte(wrapper), 0o755); err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(pairs...)
}

// inOrder returns the first line that does not stand in text behind those before it, "" if all do.
func inOrder(text string, lines []string) string {
	text = strings.Join(strings.Fields(text), " ")
	for _, line := range lines {
		want := strings.Join(strings.Fields(line), " ")
		_, rest, found := strings.Cut(text, want)
		if !found {
			return line
		}
		text = rest
	}
	return ""
}
