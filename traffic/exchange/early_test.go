package exchange

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A server may answer and close without reading the body. The client was told that its connection goes on, so that what is left of the body is read, and its next request answered.
func TestRestOfAnUploadIsReadWhereTheServerIsGone(t *testing.T) {
	for _, framing := range []string{"Content-Length: 50000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n"} {
		early := func(c net.Conn) {
			r := bufio.NewReader(c)
			for range 2 {
				req, err := http.ReadRequest(r)
				if err != nil {
					return
				}
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				if req.Method == "POST" {
					return
				}
			}
		}
		inWorld(t, servers(early), func(w *world) {
			c := w.client()
			c.send("POST /a HTTP/1.1\r\nHost: a\r\n" + framing)
			if !strings.HasPrefix(framing, "Content") {
				c.send("1388\r\n")
			}
			go func() {
				for i := range 10 {
					time.Sleep(10 * time.Millisecond)
					io.WriteString(c, strings.Repeat("a", 5000))
					switch {
					case strings.HasPrefix(framing, "Content"):
					case i < 9:
						io.WriteString(c, "\r\n1388\r\n")
					default:
						io.WriteString(c, "\r\n0\r\n\r\n")
					}
				}
				io.WriteString(c, getting("/next"))
			}()
			status, _, head := c.answer("POST")
			if status != 200 || head.Get("Connection") != "" {
				t.Errorf("answered %d, Connection: %q", status, head.Get("Connection"))
			}
			c.want("the next request", 200, "ok")
			c.Close()
		})
	}
}

// What is left of a body is read for nobody only from a client that sends it at a sensible rate: one that drips holds neither its exchange nor its connection.
func TestRestOfAnUploadThatDripsIsNotWaitedFor(t *testing.T) {
	for _, framing := range []string{"Content-Length: 50000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\nC350\r\n"} {
		early := func(c net.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			}
		}
		inWorld(t, servers(early), func(w *world) {
			c := w.client()
			c.send("POST /a HTTP/1.1\r\nHost: a\r\n" + framing)
			go func() {
				for {
					time.Sleep(2 * time.Second)
					if _, err := io.WriteString(c, "a"); err != nil {
						return
					}
				}
			}()
			if status, _, _ := c.answer("POST"); status != 200 {
				t.Errorf("answered %d", status)
			}
			began := time.Now()
			c.SetReadDeadline(began.Add(time.Hour))
			if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF && !strings.Contains(err.Error(), "reset") {
				t.Errorf("the connection goes on: %d, %v", n, err)
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("the client held its connection for %v", took)
			}
			c.Close()
		})
	}
}
