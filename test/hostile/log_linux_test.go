package hostile

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/weir-proxy/weir/test/peers"
)

// unread makes a named pipe that somebody has open and reads nothing from, and fills it.
func unread(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "unread")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	pipe, err := os.OpenFile(name, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pipe.Close() })
	pipe.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	io.Copy(pipe, strings.NewReader(strings.Repeat("x", 1<<20)))
	return name
}

const unreadConfig = `
listeners:
  clear: { address: CLEAR }
admin: { address: ADMIN, socket: off }
data: DIR/data
logs: { access: { file: LOG } }
sites: { "*": { respond: { status: 200, body: before } } }
`

// Logs that nobody reads hold up nothing: requests, metrics, reload and stop go on, lines are dropped and counted.
func TestLogsThatNobodyReads(t *testing.T) {
	for name, c := range map[string]struct{ log, redirect string }{
		"access log to a pipe":            {"PIPE", ""},
		"access log to standard output":   {"stdout", ">PIPE"},
		"messages, and access log beside": {"stderr", "2>PIPE"},
	} {
		t.Run(name, func(t *testing.T) {
			pipe := unread(t)
			free, err := peers.FreeAddresses(2)
			if err != nil {
				t.Fatal(err)
			}
			w := &world{t: t, dir: t.TempDir(), at: map[string]string{"CLEAR": free[0], "ADMIN": free[1]}}
			config := strings.ReplaceAll(unreadConfig, "LOG", strings.ReplaceAll(c.log, "PIPE", pipe))
			w.write(config)
			binary, err := peers.WeirBinary()
			if err != nil {
				t.Fatal(err)
			}
			script := fmt.Sprintf(`exec "$@" %s`, strings.ReplaceAll(c.redirect, "PIPE", pipe))
			if w.Process, err = peers.Start("weir", w.dir, exec.Command("sh", "-c", script, "sh", binary, "run", "-c", w.file())); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { w.Stop() })
			within(t, 15*time.Second, "weir to serve", func() bool { return body("http://"+w.at["CLEAR"]+"/") == "before" })
			target := "http://" + w.at["CLEAR"] + "/?" + strings.Repeat("q", 2000)
			for range 5000 {
				if got := body(target); got != "before" {
					t.Fatalf("answered %q", got)
				}
			}
			within(t, 5*time.Second, "lost lines to be counted", func() bool { return w.metric(t, "weir_access_log_lost_total") > 0 })
			for range 5 {
				if took, err := ask("http://" + w.at["ADMIN"] + "/metrics"); err != nil || took > time.Second {
					t.Errorf("metrics: %v after %v", err, took)
				}
			}
			for i := range 3 {
				want := fmt.Sprint("after", i)
				w.write(strings.ReplaceAll(config, "before", want))
				w.Process.Signal(syscall.SIGHUP)
				within(t, 10*time.Second, "a reload", func() bool { return body("http://"+w.at["CLEAR"]+"/") == want })
			}
			w.Process.Signal(syscall.SIGTERM)
			within(t, 5*time.Second, "weir to stop", func() bool { return !w.Alive() })
		})
	}
}

func body(url string) string {
	response, err := http.Get(url)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	return string(text)
}

// Streams that a client opens and resets are counted, and few of them are logged singly.
func TestResetStreamsAreLoggedTogether(t *testing.T) {
	config := strings.Replace(hostileConfig, "file: DIR/access.log", "format: json, file: DIR/access.log", 1)
	w := start(t, strings.ReplaceAll(config, "ORIGIN", origin(t)))
	s := w.scene()
	defer s.end()
	const resets = 90 // a few more are a flood
	a, err := s.http2(1 << 16)
	if err != nil {
		t.Fatal(err)
	}
	for range resets {
		id, err := a.request("/hang", true)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.WriteRSTStream(id, http2.ErrCodeCancel); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	log := func() string {
		text, _ := os.ReadFile(filepath.Join(w.dir, "access.log"))
		return string(text)
	}
	ended := func() float64 {
		return w.metric(t, `weir_exchanges_total{reason="client.`)
	}
	within(t, 5*time.Second, "the streams to be counted", func() bool { return ended() >= resets })
	s.end()
	within(t, 5*time.Second, "a line for the rest", func() bool { return strings.Contains(log(), "more streams of the connection") })
	if lines := strings.Count(log(), "\n"); lines > 25 {
		t.Errorf("%d lines for %d streams", lines, resets)
	}
}
