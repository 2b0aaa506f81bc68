package exchange

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestLinksWorthAHint(t *testing.T) {
	for in, want := range map[string]string{
		"Link: </a.css>; rel=preload; as=style":                                "Link: </a.css>; rel=preload; as=style\r\n",
		"link: </a>; rel=canonical, </b,c.js>;rel=\"x ModulePreload\"":         "Link: </b,c.js>;rel=\"x ModulePreload\"\r\n",
		"Link: <https://cdn.example>; rel=preconnect,<//d>; rel=preload":       "Link: <https://cdn.example>; rel=preconnect\r\nLink: <//d>; rel=preload\r\n",
		"Link: </a>; title=\"; rel=preload, </b>; rel=preload\"; rel=next":     "",
		"Link: </a>; rel=next; rel=preload":                                    "",
		"Link: </rel=preload>; rel=prefetch":                                   "",
		"Link: /a; rel=preload":                                                "",
		"X-Link: </a>; rel=preload":                                            "",
		"Link: ,, ,":                                                           "",
		"Link: <":                                                              "",
		"Link: </a>; title=\"say \\\"; rel=next\\\"\"; rel=preload\r\nB: </c>": "Link: </a>; title=\"say \\\"; rel=next\\\"\"; rel=preload\r\n",
	} {
		if got := string(appendHints(nil, []byte("HTTP/1.1 200 OK\r\nA: b\r\n"+in+"\r\n\r\n"))); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

// Hints bind nobody: where their server fails, another is asked. The client gets the hints of one server alone, and the other's response.
func TestHintsAreThoseOfOneServer(t *testing.T) {
	var asked atomic.Int64
	serving := func(c net.Conn) {
		for r := bufio.NewReader(c); ; {
			if _, err := http.ReadRequest(r); err != nil {
				return
			}
			n := asked.Add(1)
			fmt.Fprintf(c, "HTTP/1.1 103 Early Hints\r\nLink: </%[1]d>; rel=preload\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </%[1]d-more>; rel=preload\r\n\r\n", n)
			time.Sleep(10 * time.Millisecond)
			if n == 1 {
				return
			}
			fmt.Fprintf(c, "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d", n)
		}
	}
	inWorld(t, servers(serving, serving), func(w *world) {
		c := w.client()
		for i, want := range []string{
			"103 </1>; rel=preload, 103 </1-more>; rel=preload, 102 , 200 2",
			"103 </3>; rel=preload, 103 </3-more>; rel=preload, 102 , 200 3", // of the next request
		} {
			c.send(getting("/"))
			if got := c.answers(); got != want {
				t.Errorf("request %d: got %s, want %s", i, got, want)
			}
		}
		c.Close()
	})
}

// The same server, asked a second time, is another attempt: what it hints then is not passed on, whatever 1xx it is.
func TestHintsAreThoseOfOneAttempt(t *testing.T) {
	var asked atomic.Int64
	serving := func(c net.Conn) {
		for r := bufio.NewReader(c); ; {
			if _, err := http.ReadRequest(r); err != nil {
				return
			}
			n := asked.Add(1)
			if n == 1 {
				fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1")
				continue // and the connection is kept
			}
			fmt.Fprintf(c, "HTTP/1.1 103 Early Hints\r\nLink: </%[1]d>; rel=preload\r\n\r\nHTTP/1.1 110 Whatever\r\nLink: </%[1]d-more>\r\n\r\n", n)
			time.Sleep(10 * time.Millisecond)
			return
		}
	}
	inWorld(t, servers(serving), func(w *world) {
		c := w.client()
		c.send(getting("/"))
		c.answer("GET")
		c.send(getting("/"))
		if got, want := c.answers(), "103 </2>; rel=preload, 110 </2-more>, 502 "; !strings.HasPrefix(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
		if n := asked.Load(); n != 2 {
			t.Errorf("the server was asked %d times: a connection on which it has begun to answer was not closed before", n)
		}
		c.Close()
	})
}

func TestOneServerAskedTwiceHintsOnce(t *testing.T) {
	var x Exchange
	for i, attempt := range []int{2, 2, 3, 2} {
		x.attempt.count = attempt
		if got, want := x.mayPassHint(), attempt == 2; got != want {
			t.Errorf("hint %d, of attempt %d: %v", i, attempt, got)
		}
	}
}

// A server may not send interim responses without end.
func TestEndlessHintsBecomeA502(t *testing.T) {
	serving := func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
			return
		}
		for err := error(nil); err == nil; {
			_, err = fmt.Fprint(c, "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n")
		}
	}
	inWorld(t, servers(serving), func(w *world) {
		c := w.client()
		c.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n") // which gets none of them
		c.want("too many", 502, "*")
		c.Close()
	})
}
