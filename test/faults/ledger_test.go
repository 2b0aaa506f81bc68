package faults

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-proxy/weir/control/admin/api"
)

// ledger is what clients have done, to be held against what weir has counted.
type ledger struct {
	front, secure string // addresses

	mu             sync.Mutex
	lasting        []*conn
	dials          int
	handshakes     int
	asked          int
	classes        map[string]int // answers by class
	sent, received int64          // bytes, within TLS
	failures       []failure
}

// failure is an answer of weir's own in the place of a server's.
type failure struct {
	at     time.Time
	method string
	status string
}

func newLedger(front, secure string) *ledger {
	return &ledger{front: front, secure: secure, classes: map[string]int{}}
}

// counted counts a connection's bytes.
type counted struct {
	net.Conn
	l *ledger
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.l.mu.Lock()
	c.l.received += int64(n)
	c.l.mu.Unlock()
	return n, err
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.l.mu.Lock()
	c.l.sent += int64(n)
	c.l.mu.Unlock()
	return n, err
}

// dial opens a connection, with TLS where it is asked for.
func (l *ledger) dial(secure bool) (*conn, error) {
	var raw net.Conn
	var err error
	if secure {
		raw, err = tls.Dial("tcp", l.secure, &tls.Config{InsecureSkipVerify: true, ServerName: "good.test"})
	} else {
		raw, err = net.Dial("tcp", l.front)
	}
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.dials++
	if secure {
		l.handshakes++
	}
	l.mu.Unlock()
	c := &counted{raw, l}
	return &conn{Conn: c, r: bufio.NewReader(c)}, nil
}

// ask sends a request whose answer may be a failure of weir's only where the method does not allow to repeat it.
func (l *ledger) ask(c *conn, method, path string, body io.Reader) error {
	c.SetDeadline(time.Now().Add(30 * time.Second))
	head := method + " " + path + " HTTP/1.1\r\nHost: good.test\r\n"
	if body != nil {
		head += "Transfer-Encoding: chunked\r\n"
	}
	if _, err := io.WriteString(c, head+"\r\n"); err != nil {
		return err
	}
	if body != nil {
		if err := sendChunks(c, body); err != nil {
			return err
		}
	}
	response, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	class := response.Status[:1] + "xx"
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	l.classes[class]++
	if class == "2xx" {
		return nil
	}
	if method == "POST" && class == "5xx" {
		l.failures = append(l.failures, failure{time.Now(), method, response.Status})
		if response.Close {
			return errGoAgain
		}
		return nil
	}
	return fmt.Errorf("%s %s: %s", method, path, response.Status)
}

// errGoAgain says that the connection has ended, as the answer said.
var errGoAgain = fmt.Errorf("the connection ended with a failure that is allowed")

func sendChunks(c *conn, body io.Reader) error {
	piece := make([]byte, 4<<10)
	for {
		n, err := body.Read(piece)
		if n > 0 {
			if _, err := fmt.Fprintf(c, "%x\r\n%s\r\n", n, piece[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			_, err = io.WriteString(c, "0\r\n\r\n")
			return err
		}
		if err != nil {
			return err
		}
	}
}

// kept is a client on one connection that lasts; one that a failed POST has ended is opened anew.
func (l *ledger) kept(t *testing.T, secure bool, method, path string, body func() io.Reader) func() func() error {
	return func() func() error {
		c, err := l.dial(secure)
		if err != nil {
			t.Fatal(err)
		}
		l.hold(c)
		return func() error {
			if c == nil {
				if c, err = l.dial(secure); err != nil {
					return err
				}
				l.hold(c)
			}
			err := l.ask(c, method, path, reader(body))
			if err == errGoAgain {
				c.Close()
				c, err = nil, nil
			}
			return err
		}
	}
}

func (l *ledger) hold(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lasting = append(l.lasting, c)
}

// hangUp closes the connections that last.
func (l *ledger) hangUp() {
	for _, c := range l.lasting {
		c.Close()
	}
}

// fresh is a client that opens a connection for each request.
func (l *ledger) fresh(secure bool, method, path string, body func() io.Reader) func() func() error {
	return func() func() error {
		return func() error {
			c, err := l.dial(secure)
			if err != nil {
				return err
			}
			defer c.Close()
			if err := l.ask(c, method, path, reader(body)); err != errGoAgain {
				return err
			}
			return nil
		}
	}
}

func reader(body func() io.Reader) io.Reader {
	if body == nil {
		return nil
	}
	return body()
}

// agrees holds weir's account, since before, against the clients', to the unit.
func (l *ledger) agrees(t *testing.T, before, after *api.Status) {
	t.Helper()
	x, y := &before.Exchanges, &after.Exchanges
	classes := map[string]int{}
	for class, n := range y.Status {
		if more := n - x.Status[class]; more > 0 {
			classes[class] = int(more)
		}
	}
	if !maps.Equal(classes, l.classes) {
		t.Errorf("weir counts the answers %v, its clients %v", classes, l.classes)
	}
	failed := 0
	for reason, n := range y.Reasons {
		if strings.HasPrefix(reason, "server.") {
			failed += int(n - x.Reasons[reason])
		} else if !strings.HasPrefix(reason, "none.") && n > x.Reasons[reason] {
			t.Errorf("%d exchanges ended for %s, and no client or weir has done that", n-x.Reasons[reason], reason)
		}
	}
	handshakes := func(s *api.Status) (n int) {
		for _, one := range s.Listeners {
			n += int(one.Handshakes.OK)
		}
		return n
	}
	for _, row := range []struct {
		what          string
		weir, clients int64
	}{
		{"requests", int64(y.Requests - x.Requests), int64(l.asked)},
		{"exchanges that failed by a server's doing", int64(failed), int64(len(l.failures))},
		{"client connections", int64(y.ClientsAccepted - x.ClientsAccepted), int64(l.dials)},
		{"handshakes", int64(handshakes(after) - handshakes(before)), int64(l.handshakes)},
		{"bytes of requests", int64(y.ReceivedBytes - x.ReceivedBytes), l.sent},
		{"bytes of answers", int64(y.SentBytes - x.SentBytes), l.received},
	} {
		if row.weir != row.clients {
			t.Errorf("%s: weir counts %d, its clients and servers %d", row.what, row.weir, row.clients)
		}
	}
}
