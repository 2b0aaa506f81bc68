package faults

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

const reloads = 50

// reloadConfig is the configuration of the n-th reload: listeners, sites and servers come and go. The server that has the download and
// the upload is among those that go.
func reloadConfig(n int, a, b string) string {
	servers := [...]string{`"` + a + `"`, `"` + a + `", "` + b + `"`, `"` + b + `"`}[n%3]
	second, site := "", ""
	if n%2 == 1 {
		second = `second: { address: "SECOND" }`
		site = fmt.Sprintf("\n  new%d.test: { /*: { respond: { body: %d } } }", n, n)
	}
	return `
listeners:
  front: { address: "FRONT" }
  ` + second + `
pools:
  web: { servers: [` + servers + `], balance: round_robin }
sites:
  "*": web` + site + `
admin: "ADMIN"
logs: { access: off }
`
}

// broken are configurations that must change nothing.
var broken = []string{
	"listeners: { front: { adress: 1 } }",
	"listeners: [",
	"sites: 3",
	`{ listeners: { front: "FRONT" }, sites: { "*": nowhere }, admin: "ADMIN" }`,
	`{ listeners: { front: { address: "FRONT", tls: { certificates: [{ cert: missing.pem, key: missing.pem }] } } }, sites: { "*": "http://127.0.0.1:1" }, admin: "ADMIN" }`,
	`{ listeners: { front: "FRONT", taken: "TAKEN" }, sites: { "*": "http://127.0.0.1:1" }, admin: "ADMIN" }`,
}

func TestReloadsUnderLoadDisturbNothing(t *testing.T) {
	a, b := origin(t, "a"), origin(t, "b")
	s := start(t, reloadConfig(0, a, b))
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s.address["TAKEN"] = taken.Addr().String()

	kept := run(16, 2*time.Millisecond, keepAlive(t, s.address["FRONT"], "/"))
	fresh := run(4, 5*time.Millisecond, newConnections(s.address["FRONT"], "/"))
	stop := make(chan struct{})
	long := make(chan error, 2)
	go func() { long <- download(dial(t, s.address["FRONT"])) }()
	go func() { long <- upload(dial(t, s.address["FRONT"]), stop) }()
	time.Sleep(200 * time.Millisecond)

	for n := 1; n <= reloads; n++ {
		if n%5 == 0 {
			s.write(broken[n/5%len(broken)])
			s.reload(refused)
		} else {
			s.write(reloadConfig(n, a, b))
			s.reload(reloaded)
			checkReload(t, s, n)
		}
		time.Sleep(40 * time.Millisecond)
	}
	close(stop)
	for range cap(long) {
		if err := <-long; err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d requests on kept connections, %d on new ones", kept.end(t), fresh.end(t))
	if c := s.status().Config; c.Reloads != 1+reloads*4/5 || c.Refused != reloads/5 {
		t.Errorf("%d reloads are counted, and %d refused", c.Reloads, c.Refused)
	}
}

// checkReload sees the new configuration at work.
func checkReload(t *testing.T, s *subject, n int) {
	t.Helper()
	raw, err := net.Dial("tcp", s.address["SECOND"])
	if err != nil {
		if n%2 == 1 {
			t.Errorf("reload %d: the new listener: %v", n, err)
		}
		return
	}
	defer raw.Close()
	if n%2 == 0 {
		t.Errorf("reload %d: the listener that was removed still takes connections", n)
		return
	}
	raw.SetDeadline(time.Now().Add(5 * time.Second))
	fmt.Fprintf(raw, "GET / HTTP/1.1\r\nHost: new%d.test\r\n\r\n", n)
	response, err := http.ReadResponse(bufio.NewReader(raw), nil)
	if err != nil {
		t.Errorf("reload %d: %v", n, err)
		return
	}
	if body, _ := io.ReadAll(response.Body); string(body) != fmt.Sprint(n) {
		t.Errorf("reload %d: the new site answers %q", n, body)
	}
}

// download takes an answer that comes in pieces for as long as the reloads last.
func download(c *conn) error {
	response, body, err := c.get("/drip/100/50ms")
	if err != nil {
		return fmt.Errorf("download: %w", err)
	}
	if response.StatusCode != 200 || body != strings.Repeat("a", 100<<10) {
		return fmt.Errorf("download: %s, %d bytes", response.Status, len(body))
	}
	return nil
}

// upload sends a body in pieces until it is stopped.
func upload(c *conn, stop <-chan struct{}) error {
	c.SetDeadline(time.Now().Add(30 * time.Second))
	io.WriteString(c, "POST /upload HTTP/1.1\r\nHost: upload.test\r\nTransfer-Encoding: chunked\r\n\r\n")
	sent := 0
	for more := true; more; {
		if _, err := fmt.Fprintf(c, "400\r\n%s\r\n", strings.Repeat("u", 1024)); err != nil {
			return fmt.Errorf("upload: %w", err)
		}
		sent += 1024
		select {
		case <-stop:
			more = false
		case <-time.After(20 * time.Millisecond):
		}
	}
	io.WriteString(c, "0\r\n\r\n")
	response, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	if body, _ := io.ReadAll(response.Body); string(body) != fmt.Sprintf("a %d", sent) {
		return fmt.Errorf("upload of %d bytes: %s %q", sent, response.Status, body)
	}
	return nil
}
