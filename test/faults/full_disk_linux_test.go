package faults

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
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

// smallDisk wraps a command in a mount namespace of its own, where 64 KiB fit below mount, and half of that is taken by a file, other. The file
// system ends with the command.
func smallDisk(mount string) []string {
	namespace := []string{"unshare", "-m", "sh", "-c", `mount -t tmpfs -o size=64k small "$1" && head -c 32k /dev/zero > "$1/other" && shift && exec "$@"`, "sh", mount}
	if os.Geteuid() != 0 {
		namespace = append([]string{"unshare", "-rm"}, namespace[2:]...)
	}
	return namespace
}

// Bodies that the disk has no room for go on as they come, and are counted.
func TestBodiesThatAFullDiskDoesNotTakeAreCounted(t *testing.T) {
	mount := filepath.Join(t.TempDir(), "small")
	if err := os.Mkdir(mount, 0o755); err != nil {
		t.Fatal(err)
	}
	big := strings.Repeat("0123456789abcdef", 64<<10)
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		if r.Method == "GET" {
			io.WriteString(w, big)
			return
		}
		fmt.Fprint(w, n)
	}))
	defer origin.Close()
	s := startUnder(t, `
listeners:
  front: { address: "FRONT" }
pools: { app: { servers: [`+strings.TrimPrefix(origin.URL, "http://")+`] } }
sites:
  "*":
    /*: { pool: app, body_limit: off, buffer: { request: 16KiB, response: 16KiB, spill: 16MiB } }
admin: "ADMIN"
data: `+filepath.Join(mount, "data")+`
`, smallDisk(mount))
	for _, chunked := range []bool{false, true} {
		body := io.Reader(strings.NewReader(big))
		if chunked {
			body = io.MultiReader(body)
		}
		response, err := http.Post("http://"+s.address["FRONT"]+"/up", "text/plain", body)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if string(got) != fmt.Sprint(len(big)) {
			t.Errorf("chunked %v: of %d bytes the server got %s", chunked, len(big), got)
		}
	}
	if n := s.status().Exchanges.SpillsFailed; n != 2 {
		t.Errorf("%d of 2 uploads without room are counted", n)
	}
	response, err := http.Get("http://" + s.address["FRONT"] + "/down")
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second) // a client that does not read: what it lags behind would go to the file
	got, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil || string(got) != big {
		t.Errorf("the client got %d bytes of %d: %v", len(got), len(big), err)
	}
	if n := s.status().Exchanges.SpillsFailed; n != 3 {
		t.Errorf("%d of 3 bodies without room are counted", n)
	}
}

func TestAccessLogGoesOnWhenThereIsRoomAgain(t *testing.T) {
	mount := filepath.Join(t.TempDir(), "small")
	if err := os.Mkdir(mount, 0o755); err != nil {
		t.Fatal(err)
	}
	s := startUnder(t, strings.ReplaceAll(loggingConfig, "FILE", filepath.Join(mount, "access.log")), smallDisk(mount))
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
