package health

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// talking is a server that greets and answers each line by the script; "" ends the conversation.
func talking(t *testing.T, greeting string, answers map[string]string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				fmt.Fprint(c, greeting)
				for lines := bufio.NewScanner(c); lines.Scan(); {
					answer := answers[lines.Text()]
					if answer == "" {
						return
					}
					for part := range strings.SplitAfterSeq(answer, "|") {
						fmt.Fprint(c, strings.TrimSuffix(part, "|"))
						time.Sleep(5 * time.Millisecond)
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

func TestScript(t *testing.T) {
	address := talking(t, "220 mail ready\r\n", map[string]string{"EHLO weir": "250-mail\r\n25|0 OK\r\n", "NOOP": "451 busy\r\n"})
	send := func(s string) Step { return Step{Send: []byte(s + "\r\n")} }
	expect := func(s string) Step { return Step{Expect: s} }
	for _, c := range []struct {
		script []Step
		want   string
	}{
		{[]Step{expect("220 ")}, ""},
		{[]Step{expect("220 "), send("EHLO weir"), {Match: regexp.MustCompile(`(?m)^250 OK`)}}, ""},
		{[]Step{send("EHLO weir"), expect("250 OK"), send("NOOP"), expect("451 busy")}, ""},
		{[]Step{expect("220 "), expect("220 ")}, `no "220 " in "mail ready\r\n": read`},
		{[]Step{send("NOOP"), {Match: regexp.MustCompile(`^250`)}}, "no match of ^250 in"},
		{[]Step{send("QUIT"), expect("221")}, `no "221" in "220 mail ready\r\n": EOF`},
	} {
		wants(t, fmt.Sprint(c.script), check(t, address, Config{Type: "script", Script: c.script, Timeout: 200 * time.Millisecond}), c.want)
	}
}

func TestServerThatSaysTooMuchIsNotListenedToForEver(t *testing.T) {
	l, _ := net.Listen("tcp", "127.0.0.1:0")
	defer l.Close()
	go func() {
		c, err := l.Accept()
		for ; err == nil; _, err = c.Write(make([]byte, 4096)) {
		}
	}()
	wants(t, "endless", check(t, l.Addr().String(), Config{Type: "script", Script: []Step{{Expect: "never"}}, Timeout: 5 * time.Second}),
		`no "never" in 65536 bytes`)
}

func TestExec(t *testing.T) {
	dir := t.TempDir()
	program := func(name, text string) []string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		return []string{file, "argument"}
	}
	for _, c := range []struct {
		command []string
		want    string
	}{
		{program("well", `test "$WEIR_ADDRESS $WEIR_HOST $WEIR_PORT $1" = "127.0.0.1:99 127.0.0.1 99 argument"`), ""},
		{program("ill", "echo it hurts >&2; echo more; exit 3"), "exit status 3: it hurts"},
		{program("silent", "exit 1"), "exit status 1"},
		{program("hangs", "sleep 100 & sleep 100"), "no exit within 100ms"},
		{program("endless", "yes"), "no exit within 100ms"},
		{[]string{filepath.Join(dir, "nowhere")}, "no such file"},
	} {
		began := time.Now()
		wants(t, c.command[0], check(t, "127.0.0.1:99", Config{Type: "exec", Command: c.command, Timeout: 100 * time.Millisecond}), c.want)
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("%s took %v", c.command[0], took)
		}
	}
}

func TestReusedConnection(t *testing.T) {
	var connections atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/last" {
			w.Header().Set("Connection", "close")
		}
		fmt.Fprint(w, "well")
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	p := probe{server: web(nil, s.Listener.Addr().String()).Set().Servers[0], dial: dial}
	ask := func(path string, want int32) {
		t.Helper()
		p.Config = Config{Path: path, Reuse: true, Timeout: time.Second}.withDefaults()
		if err := p.run(t.Context()); err != nil || connections.Load() != want {
			t.Errorf("%s: %v, over %d connections, want %d", path, err, connections.Load(), want)
		}
	}
	ask("/", 1)
	ask("/", 1)
	ask("/last", 1)
	ask("/", 2)
	s.CloseClientConnections()
	time.Sleep(10 * time.Millisecond)
	ask("/", 3) // the connection had ended, which says nothing of the server
	p.kept.Close()
}
