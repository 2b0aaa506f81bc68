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

// Whoever reads the first hour types what stands there. So a shell runs it: blocks marked yaml are written to the file that their first line names, those marked sh are typed, and those
// marked text are all that the block before them prints, line by line. Where the page leaves something out it says so by an ellipsis: "…" within a line stands for a part of it, and
// alone on a line for any number of lines. The width of columns does not matter: the test's ports are longer than the page's.
func TestTheFirstHourHappens(t *testing.T) {
	dir := t.TempDir()
	elsewhere, back := moveAway(t, dir)
	var script strings.Builder
	var wants [][]string // by block of sh
	var starts []bool    // it leaves a program running, whose log is not shown each time
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
			wants, starts = append(wants, nil), append(starts, background.MatchString(text))
		case "text":
			wants[len(wants)-1] = strings.Split(strings.TrimSpace(b.text), "\n") // as the page has it: what is printed is moved back
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
		text := back.Replace(string(printed))
		if want == nil && !starts[i] && strings.TrimSpace(text) != "" {
			t.Errorf("block %d of sh prints, and the page does not show it:\n%s", i, text)
		}
		if want != nil && !isShown(text, want) {
			t.Errorf("block %d of sh does not print\n%s\nbut\n%s", i, strings.Join(want, "\n"), text)
		}
	}
}

// background is a command that is left running, with its process noted.
var background = regexp.MustCompile(`& [A-Z]+=\$!\n`)

// moveAway builds weir into dir and returns what moves the page's ports to free ones, as other tests run at the same time, and what moves them back.
func moveAway(t *testing.T, dir string) (there, back *strings.Replacer) {
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
	var backwards []string
	for i, p := range ports {
		port := peers.Port(free[i])
		pairs, backwards = append(pairs, p, port), append(backwards, port, p)
	}
	wrapper := fmt.Sprintf("#!/bin/sh\ncase $1 in status|reload) exec %s \"$@\" --address %s ;; esac\nexec %s \"$@\"\n", weir, socket, weir)
	if err := os.WriteFile(filepath.Join(dir, "weir"), []byte(wrapper), 0o755); err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(pairs...), strings.NewReplacer(backwards...)
}

// isShown reports whether a page's lines are what a program has printed.
func isShown(printed string, lines []string) bool {
	var pattern strings.Builder
	for _, line := range lines {
		if line = strings.TrimSpace(line); line == "…" {
			pattern.WriteString(`(?:.*\n)*`)
			continue
		}
		for i, word := range strings.Fields(line) {
			if i > 0 {
				pattern.WriteString(`[ \t]+`)
			}
			parts := strings.Split(word, "…")
			for k := range parts {
				parts[k] = regexp.QuoteMeta(parts[k])
			}
			pattern.WriteString(strings.Join(parts, `.*?`))
		}
		pattern.WriteString(`[ \t]*\n`)
	}
	var text strings.Builder
	for line := range strings.Lines(printed) {
		text.WriteString(strings.TrimSpace(line) + "\n")
	}
	return regexp.MustCompile(`^` + pattern.String() + `$`).MatchString(text.String())
}

func TestWhatIsLeftOutIsSaid(t *testing.T) {
	for _, c := range []struct {
		printed, page string
		want          bool
	}{
		{"a  b\n", "a b", true}, {"a\nb\n", "a", false}, {"a\nb\n", "a\n…", true}, {"a\nb\nc\n", "a\n…\nc", true}, {"a b c\n", "a … c", true}, {"a b c\n", "a…", true},
		{"a b c\n", "a b", false}, {"  a\n", "a", true}, {"", "…", true}, {"a.b\n", "a?b", false},
	} {
		if got := isShown(c.printed, strings.Split(c.page, "\n")); got != c.want {
			t.Errorf("%q shown as %q: %v", c.printed, c.page, got)
		}
	}
}
