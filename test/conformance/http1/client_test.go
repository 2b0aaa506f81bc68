package http1

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// Patience with the subject.
const (
	answerPatience = 3 * time.Second
	closePatience  = time.Second
)

// A client is one raw connection to the subject.
type client struct {
	conn net.Conn
	in   *bufio.Reader
}

// An answer is one that the client read. A connection that ended before or within it has the status "cut".
type answer struct {
	Status string
	Echo   string
	Body   string
}

// dial connects.
func dial(address string) (*client, error) {
	c, err := net.DialTimeout("tcp", address, answerPatience)
	if err != nil {
		return nil, err
	}
	return &client{c, bufio.NewReader(c)}, nil
}

// send writes. A subject that closes before it has read everything is not a failure of the client.
func (c *client) send(raw []byte) {
	c.conn.SetWriteDeadline(time.Now().Add(answerPatience))
	c.conn.Write(raw)
}

// closeWrite ends the client's direction.
func (c *client) closeWrite() { c.conn.(*net.TCPConn).CloseWrite() }

// read reads the next final answer. Interim ones are passed over.
func (c *client) read(method string) answer {
	c.conn.SetReadDeadline(time.Now().Add(answerPatience))
	for {
		response, err := http.ReadResponse(c.in, &http.Request{Method: method})
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return answer{Status: "silence"}
		}
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !isReset(err) {
			return answer{Status: "garbage: " + err.Error()}
		}
		if err != nil {
			return answer{Status: "cut"}
		}
		if response.StatusCode < 200 && response.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		a := answer{Status: strconv.Itoa(response.StatusCode), Echo: response.Header.Get("X-Echo")}
		if strings.HasPrefix(a.Echo, "HEAD ") {
			return a
		}
		body, err := io.ReadAll(response.Body)
		a.Body = string(body)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			a.Status = "silence"
		} else if err != nil {
			a.Status = "cut"
		}
		return a
	}
}

// isReset reports whether the connection was reset rather than closed.
func isReset(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && !op.Timeout()
}

// isClosed reports whether the subject closes the connection, with no further byte, before its time is over.
func (c *client) isClosed() (bool, error) {
	c.conn.SetReadDeadline(time.Now().Add(closePatience))
	b, err := c.in.ReadByte()
	if err == nil {
		rest, _ := c.in.Peek(c.in.Buffered())
		return false, fmt.Errorf("more bytes after the last answer: %.60q", string(b)+string(rest))
	}
	return !errors.Is(err, os.ErrDeadlineExceeded), nil
}

// good sends a request for the target and wants its echo.
func (c *client) good(target string) error {
	c.send([]byte("GET " + target + " HTTP/1.1\r\nHost: a.example\r\n\r\n"))
	if a := c.read("GET"); a.Status != "200" || a.Echo != "GET "+target+" 0" {
		return fmt.Errorf("a good request for %s got status %s, echo %q", target, a.Status, a.Echo)
	}
	return nil
}
