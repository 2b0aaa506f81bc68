package faults

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A conn is one client connection. It does not come back when it is closed, as those of net/http do.
type conn struct {
	net.Conn
	r      *bufio.Reader
	header string // field lines for every request
}

func dial(t *testing.T, address string) *conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &conn{Conn: c, r: bufio.NewReader(c)}
}

func dialTLS(t *testing.T, address string, config *tls.Config) *conn {
	t.Helper()
	c, err := tls.Dial("tcp", address, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &conn{Conn: c, r: bufio.NewReader(c)}
}

// get asks for the path and returns the answer whole.
func (c *conn) get(path string) (*http.Response, string, error) { return c.do("GET", path, "") }

func (c *conn) do(method, path, body string) (*http.Response, string, error) {
	head := method + " " + path + " HTTP/1.1\r\nHost: good.test\r\n" + c.header
	if method == "POST" {
		head += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, head+"\r\n"+body); err != nil {
		return nil, "", err
	}
	response, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		return nil, "", err
	}
	text, err := io.ReadAll(response.Body)
	return response, string(text), err
}

// ok is an error unless the answer is 200.
func (c *conn) ok(path string) error {
	response, body, err := c.get(path)
	if err != nil {
		return err
	}
	if response.StatusCode != 200 {
		return fmt.Errorf("GET %s: %s: %.200s", path, response.Status, body)
	}
	return nil
}

// A load is clients that ask again and again until they are stopped.
type load struct {
	stop     chan struct{}
	running  sync.WaitGroup
	mu       sync.Mutex
	took     []time.Duration
	measured int // requests of measurements that have ended
	errs     []error
}

// run starts n clients, each of which calls its ask, pauses, and calls again.
func run(n int, pause time.Duration, client func() (ask func() error)) *load {
	l := &load{stop: make(chan struct{})}
	for i := range n {
		ask := client()
		l.running.Go(func() {
			time.Sleep(pause * time.Duration(i) / time.Duration(n))
			for {
				began := time.Now()
				err := ask()
				l.note(time.Since(began), err)
				select {
				case <-l.stop:
					return
				case <-time.After(pause):
				}
			}
		})
	}
	return l
}

func (l *load) note(took time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.took = append(l.took, took)
	if err != nil {
		l.errs = append(l.errs, err)
	}
}

// p99 ends a measurement: it returns the 99th percentile of what was asked since the last one.
func (l *load) p99() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.Sort(l.took)
	if len(l.took) == 0 {
		return 0
	}
	p := l.took[len(l.took)*99/100]
	l.measured += len(l.took)
	l.took = nil
	return p
}

// end stops the clients; every error of theirs is one of the test.
func (l *load) end(t *testing.T) (asked int) {
	t.Helper()
	close(l.stop)
	l.running.Wait()
	for i, err := range l.errs {
		if i == 5 {
			t.Errorf("and %d more", len(l.errs)-5)
			break
		}
		t.Errorf("a client of %d requests: %v", len(l.took), err)
	}
	return l.measured + len(l.took)
}

// keepAlive is a client on one connection that must last.
func keepAlive(t *testing.T, address, path string) func() func() error {
	return func() func() error {
		c := dial(t, address)
		return func() error { return c.ok(path) }
	}
}

// newConnections is a client that opens one for each request.
func newConnections(address, path string) func() func() error {
	return func() func() error {
		return func() error {
			raw, err := net.Dial("tcp", address)
			if err != nil {
				return err
			}
			defer raw.Close()
			return (&conn{Conn: raw, r: bufio.NewReader(raw)}).ok(path)
		}
	}
}

// lines splits text that ends with a line end.
func lines(text string) []string {
	text = strings.TrimSuffix(text, "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}
