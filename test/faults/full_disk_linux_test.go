package faults

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const loggingConfig = `
listeners:
  front: { address: "FRONT" }
sites:
  "*":
    /*: { respond: { body: hello } }
admin: "ADMIN"
logs: { access: { format: json, file: FILE } }
`

func TestAccessLogOnAFullDevice(t *testing.T) {
	s := start(t, strings.ReplaceAll(loggingConfig, "FILE", "/dev/full"))
	good := run(4, time.Millisecond, keepAlive(t, s.address["FRONT"], "/"))
	within(t, 5*time.Second, "weir to say that lines are lost", func() bool { return strings.Contains(s.log(), "no space left on device") })
	time.Sleep(500 * time.Millisecond)
	good.end(t)
	if n := strings.Count(s.log(), "no space left on device"); n != 1 {
		t.Errorf("said %d times", n)
	}
}

func TestAccessLogGoesOnWhenThereIsRoomAgain(t *testing.T) {
	mount := filepath.Join(t.TempDir(), "small")
	if err := os.Mkdir(mount, 0o755); err != nil {
		t.Fatal(err)
	}
	// A mount namespace of weir's own: the small file system ends with it.
	namespace := []string{"unshare", "-m", "sh", "-c", `mount -t tmpfs -o size=64k small "$1" && head -c 32k /dev/zero > "$1/other" && shift && exec "$@"`, "sh", mount}
	if os.Geteuid() != 0 {
		namespace = append([]string{"unshare", "-rm"}, namespace[2:]...)
	}
	s := startUnder(t, strings.ReplaceAll(loggingConfig, "FILE", filepath.Join(mount, "access.log")), namespace)
	c := dial(t, s.address["FRONT"])
	ask := func(n int, path string) {
		t.Helper()
		for i := range n {
			if err := c.ok(fmt.Sprintf("/%s/%d", path, i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	ask(1000, "full")
	within(t, 5*time.Second, "weir to say that lines are lost", func() bool { return strings.Contains(s.log(), "no space left on device") })
	ask(100, "lost")
	time.Sleep(500 * time.Millisecond) // until none of these waits in weir any more, to take the room that the others are to have

	inside := fmt.Sprintf("/proc/%d/root%s/", s.Pid(), mount)
	if err := os.Remove(inside + "other"); err != nil {
		t.Fatal(err)
	}
	ask(20, "again")
	text := ""
	within(t, 5*time.Second, "the last line", func() bool {
		b, _ := os.ReadFile(inside + "access.log")
		text = string(b)
		return strings.Contains(text, "/again/19")
	})
	if !regexp.MustCompile(`(?i)level\W{1,4}info.*can be written again; `).MatchString(s.log()) {
		t.Errorf("weir does not say, as information, that the log can be written again:\n%s", s.log())
	}
	// Of the line that was being written when the disk was full, nothing stays.
	again, broken := 0, 0
	for _, line := range lines(text) {
		var l struct{ Target string }
		if json.Unmarshal([]byte(line), &l) != nil {
			broken++
		} else if strings.HasPrefix(l.Target, "/again/") {
			again++
		}
	}
	if broken > 0 {
		t.Errorf("%d lines are broken", broken)
	}
	if again != 20 {
		t.Errorf("%d of 20 lines came after there was room:\n%s", again, text)
	}
}
