package faults

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestDescriptorsExhausted(t *testing.T) {
	s := startUnder(t, `
listeners:
  front: { address: "FRONT", timeouts: { header: 60s }, limits: { connections_per_client: off } }
pools:
  web: { servers: ["`+origin(t, "web")+`"] }
sites:
  "*": web
admin: "ADMIN"
logs: { access: off }
`, []string{"sh", "-c", `ulimit -n 120; exec "$@"`, "sh"})
	good := run(8, 5*time.Millisecond, keepAlive(t, s.address["FRONT"], "/"))
	time.Sleep(300 * time.Millisecond)

	var idle []net.Conn
	for range 300 {
		c := dial(t, s.address["FRONT"])
		io.WriteString(c, "GET / HTTP/1.1\r\n") // until something comes a connection may wait in the system and take no descriptor
		idle = append(idle, c)
	}
	within(t, 5*time.Second, "weir to say that descriptors have run out", func() bool {
		return strings.Contains(s.log(), "too many open files")
	})
	// Those that come now wait in the system's queue, until some of the others are ended for them.
	late := make(chan error, 5)
	for range cap(late) {
		c := dial(t, s.address["FRONT"])
		go func() { late <- c.ok("/") }()
	}
	for range cap(late) {
		select {
		case err := <-late:
			if err != nil {
				t.Errorf("a connection that waited: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("a connection is not served although others do nothing")
		}
	}
	for _, c := range idle {
		c.Close()
	}
	if err := dial(t, s.address["FRONT"]).ok("/"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if n := good.end(t); n < 500 {
		t.Errorf("the good clients asked %d times", n)
	}
	if n := s.status().Loops; len(n) != 2 || n[0].AcceptPauses+n[1].AcceptPauses == 0 {
		t.Errorf("accept pauses are not counted: %+v", n)
	}
}

// Small files are open while they are in memory, as far as there are descriptors for that: they never take those of clients.
func TestSmallFilesTakeFewDescriptors(t *testing.T) {
	const limit, files = 256, 200
	www := t.TempDir()
	for i := range files {
		os.WriteFile(filepath.Join(www, fmt.Sprint(i)), []byte(fmt.Sprint("file ", i)), 0o644)
	}
	s := startUnder(t, `{ listeners: { front: "FRONT" }, sites: { "*": { /*: { files: "`+www+`" } } }, admin: "ADMIN", logs: { access: off } }`, []string{"sh", "-c", fmt.Sprintf(`ulimit -n %d; exec "$@"`, limit), "sh"})
	for range 4 { // connections, over both loops
		c := dial(t, s.address["FRONT"])
		for i := range files {
			fmt.Fprintf(c, "GET /%d HTTP/1.1\r\nHost: a.test\r\n\r\n", i)
			response, err := http.ReadResponse(c.r, nil)
			if err != nil {
				t.Fatal(err)
			}
			if body, err := io.ReadAll(response.Body); err != nil || string(body) != fmt.Sprint("file ", i) {
				t.Fatalf("file %d: %d %q %v", i, response.StatusCode, body, err)
			}
		}
		c.Close()
	}
	open := 0
	list, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", s.Pid()))
	for _, fd := range list {
		if to, _ := os.Readlink(fd); strings.HasPrefix(to, www+"/") {
			open++
		}
	}
	if open == 0 || open > limit/32 {
		t.Errorf("%d files are open", open)
	}
}
