package exchange

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// switching is a server that speaks a protocol of its own once it has been asked for it: it says back what it gets, line by line.
func switching(protocol string) func(net.Conn) {
	return func(c net.Conn) {
		r := bufio.NewReader(c)
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		body, _ := io.ReadAll(req.Body)
		offer := req.Header.Get("Upgrade")
		if offer == "" || req.Header.Get("Connection") != "Upgrade" {
			answer := fmt.Sprintf("no upgrade: %s %s%s", req.Header.Get("Connection"), offer, body)
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(answer), answer)
			return
		}
		fmt.Fprintf(c, "HTTP/1.1 101 Go on\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n%s|%s\n", protocol, offer, body)
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			io.WriteString(c, "back "+line)
		}
	}
}

func TestAnyProtocolCanBeUpgradedTo(t *testing.T) {
	for _, c := range []struct{ protocol, request, first string }{
		{"tcp", "POST /containers/x/attach?stream=1 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n", "tcp|\n"},
		{"tcp", "POST /containers/x/attach HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n", "tcp|\n"},
		{"tcp", "POST /exec/x/start HTTP/1.1\r\nHost: a\r\nContent-Length: 14\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n{\"Tty\": false}", "tcp|{\"Tty\": false}\n"},
		{"SPDY/3.1", "POST /api/v1/namespaces/d/pods/p/exec HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n", "SPDY/3.1|\n"},
		{"foo", "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c, bar/2\r\nUpgrade: FOO, TLS/1.3\r\n\r\n", "bar/2, FOO|\n"},
		{"websocket", "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "websocket|\n"},
	} {
		inWorld(t, servers(switching(c.protocol)), func(w *world) {
			conn := w.client()
			half := len(c.request) - 5 // a body may come after its head
			conn.send(c.request[:half])
			conn.send(c.request[half:])
			r := bufio.NewReader(conn)
			res, err := http.ReadResponse(r, nil)
			if err != nil || res.StatusCode != 101 || res.Header.Get("Upgrade") != c.protocol {
				t.Fatalf("%s: %v, %+v", c.protocol, err, res)
			}
			if line, _ := r.ReadString('\n'); line != c.first {
				t.Errorf("%s: the server got %q, want %q", c.protocol, line, c.first)
			}
			conn.send("hello\n")
			if line, _ := r.ReadString('\n'); line != "back hello\n" {
				t.Errorf("%s: got %q", c.protocol, line)
			}
			conn.Close()
		})
	}
}

func TestOtherVersionsOfHTTPAreNotUpgradedTo(t *testing.T) {
	for _, protocol := range []string{"h2c", "HTTP/2.0", "TLS/1.0", "h2c, h2", ""} {
		inWorld(t, servers(switching("h2c")), func(w *world) {
			c := w.client()
			c.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: " + protocol + "\r\nHTTP2-Settings: AAA\r\n\r\n")
			c.want(protocol, 200, "no upgrade:  ")
			c.Close()
		})
	}
}

func TestServerMustSwitchToWhatWasOffered(t *testing.T) {
	inWorld(t, servers(switching("other")), func(w *world) {
		c := w.client()
		c.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
		c.want("a protocol that nobody has asked for", 502, "*")
		c.Close()
	})
}

func TestUpgradeWithALargeBodyIsAnOrdinaryRequest(t *testing.T) {
	inWorld(t, servers(switching("tcp")), func(w *world) {
		c := w.client()
		body := strings.Repeat("x", upgradeBodyMost+1)
		go c.send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n%s", len(body), body))
		c.want("a large body", 200, "no upgrade:  "+body)
		c.Close()
	})
}

func TestUpgradeRequiredSaysWhat(t *testing.T) {
	inWorld(t, servers(plain(map[string]string{"/": "HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade\r\nUpgrade: IRC/6.9\r\nContent-Length: 0\r\n\r\n"})), func(w *world) {
		c := w.client()
		c.send(getting("/"))
		if head := c.want("426", 426, ""); head.Get("Upgrade") != "IRC/6.9" || head.Get("Connection") != "Upgrade" {
			t.Errorf("got %v", head)
		}
		c.Close()
	})
}
