package hostile

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// group is a memory cgroup of the test's own, of version 1 or 2, whichever this machine has.
type group struct {
	dir   string
	usage string // the file that says how much is in use
	procs string
}

var groups atomic.Int32

// newGroup makes a cgroup with that much memory.
func newGroup(t *testing.T, bytes int64) *group {
	t.Helper()
	name := fmt.Sprintf("weir-test-%d-%d", os.Getpid(), groups.Add(1))
	g := &group{dir: filepath.Join("/sys/fs/cgroup/memory", name), usage: "memory.usage_in_bytes"}
	limit := "memory.limit_in_bytes"
	if _, err := os.Stat("/sys/fs/cgroup/memory"); err != nil {
		g.dir, g.usage, limit = filepath.Join("/sys/fs/cgroup", name), "memory.current", "memory.max"
		os.WriteFile("/sys/fs/cgroup/cgroup.subtree_control", []byte("+memory"), 0o644)
	}
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		t.Fatalf("the test needs a memory cgroup: %v", err)
	}
	g.procs = filepath.Join(g.dir, "cgroup.procs")
	t.Cleanup(func() {
		for by := time.Now().Add(5 * time.Second); os.Remove(g.dir) != nil && time.Now().Before(by); time.Sleep(20 * time.Millisecond) {
		}
	})
	if err := os.WriteFile(filepath.Join(g.dir, limit), []byte(strconv.FormatInt(bytes, 10)), 0o644); err != nil {
		t.Fatal(err)
	}
	return g
}

// wrapper starts a program in the group.
func (g *group) wrapper() []string {
	return []string{"sh", "-c", `echo $$ > "$0" && exec "$@"`, g.procs}
}

// used is what the group uses, with the kernel's buffers and the pages of files.
func (g *group) used() int64 {
	text, _ := os.ReadFile(filepath.Join(g.dir, g.usage))
	n, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return n
}

// resident is what the group's programs use, without the pages of files.
func (g *group) resident() int64 {
	if n, ok := g.number("memory.stat", "anon"); ok {
		return n
	}
	n, _ := g.number("memory.stat", "rss")
	return n
}

// killed is how many programs the system has ended for want of memory.
func (g *group) killed() int64 {
	if n, ok := g.number("memory.events", "oom_kill"); ok {
		return n
	}
	n, _ := g.number("memory.oom_control", "oom_kill")
	return n
}

// number is one of a file with a name and a number in each line.
func (g *group) number(file, name string) (n int64, ok bool) {
	text, _ := os.ReadFile(filepath.Join(g.dir, file))
	for line := range strings.Lines(string(text)) {
		if rest, is := strings.CutPrefix(line, name+" "); is {
			n, err := strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}
