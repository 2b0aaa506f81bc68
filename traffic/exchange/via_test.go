package exchange

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
)

// onward is a server that sends each request on to a weir, as a proxy does.
func onward(w func() *world) func(net.Conn) {
	return func(c net.Conn) {
		r := bufio.NewReader(c)
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			next := w().client()
			fmt.Fprintf(next, "GET / HTTP/1.1\r\nHost: a\r\nVia: %s, 1.1 other\r\n\r\n", req.Header.Get("Via"))
			status, body, _ := next.answer("GET")
			next.Close()
			fmt.Fprintf(c, "HTTP/1.1 %d Passed on\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
		}
	}
}

func TestRequestThatComesBackIsALoop(t *testing.T) {
	var here *world
	inWorld(t, servers(onward(func() *world { return here })), func(w *world) {
		here = w
		c := w.client()
		c.send(getting("/"))
		c.want("what has come back", 508, "508 Loop Detected\n")
		c.Close()
		if n := w.driver.loops[0].Stats.Requests; n != 2 {
			t.Errorf("%d requests, want the client's and the one that came back", n)
		}
	})
}

func TestOthersInViaAreNoLoop(t *testing.T) {
	says := func(c net.Conn) {
		if req, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			via := fmt.Sprint(req.Header.Values("Via"))
			io.WriteString(c, fmt.Sprintf("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(via), via))
		}
	}
	inWorld(t, servers(says), func(w *world) {
		c := w.client()
		c.send("GET / HTTP/1.1\r\nHost: a\r\nVia: 1.1 weir-AAAAAAAAAA\r\nVia: 1.0 fred, 1.1 weir\r\n\r\n")
		c.want("another weir's", 200, fmt.Sprintf("[1.1 weir-AAAAAAAAAA 1.0 fred, 1.1 weir 1.1 %s]", w.driver.pseudonym))
		c.Close()
		c = w.client()
		c.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n")
		c.want("an old client's", 200, fmt.Sprintf("[1.0 %s]", w.driver.pseudonym))
		c.Close()
	})
}
