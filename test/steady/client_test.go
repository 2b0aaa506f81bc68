package steady

import (
	"bytes"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"
)

// request is what every client sends; answers are known by their size.
const request = "GET /small HTTP/1.1\r\nHost: steady.test\r\nUser-Agent: steady\r\n\r\n"

// A client is keep-alive connections that are kept open. Asking allocates nothing.
type client struct {
	conns  []net.Conn
	buf    [][]byte
	answer int // bytes of an answer, head included
}

// newClient opens n connections and asks on each once, which also tells how long an answer is.
func newClient(t *testing.T, n int, dial func() (net.Conn, error)) *client {
	t.Helper()
	c := &client{}
	for range n {
		conn, err := dial()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(time.Minute))
		c.conns = append(c.conns, conn)
		c.buf = append(c.buf, make([]byte, 4096))
	}
	c.answer = c.measure(t)
	return c
}

// measure asks once on every connection at the same time, so that as many connections to servers are open afterwards as will ever be.
func (c *client) measure(t *testing.T) int {
	t.Helper()
	size := 0
	for _, conn := range c.conns {
		if _, err := conn.Write([]byte(request)); err != nil {
			t.Fatal(err)
		}
	}
	for i, conn := range c.conns {
		n, err := conn.Read(c.buf[i])
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(c.buf[i], []byte("HTTP/1.1 200 OK\r\n")) || size != 0 && n != size {
			t.Fatalf("answer: %q", c.buf[i][:n])
		}
		size = n
	}
	return size
}

// ask sends n requests over all connections at once, one after the other on each, and waits for every answer.
func (c *client) ask(n int) error {
	var all sync.WaitGroup
	errs := make([]error, len(c.conns))
	each := n / len(c.conns)
	for i := range c.conns {
		all.Add(1)
		go func() {
			defer all.Done()
			errs[i] = c.askOn(i, each)
		}()
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// askOn allocates nothing.
func (c *client) askOn(i, n int) error {
	conn, buf := c.conns[i], c.buf[i]
	for range n {
		if _, err := conn.Write(requestBytes); err != nil {
			return err
		}
		for got := 0; got < c.answer; {
			m, err := conn.Read(buf[got:])
			if err != nil {
				return err
			}
			got += m
		}
		if string(buf[:12]) != "HTTP/1.1 200" {
			return fmt.Errorf("answer: %q", buf[:c.answer])
		}
	}
	return nil
}

var requestBytes = []byte(request)
