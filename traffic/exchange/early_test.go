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
