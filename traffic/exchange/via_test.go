package exchange

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/wire/message"
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
			fmt.Fprintf(next, "GET / HTTP/1.1\r\nHost: a\r\nForwarded: for=x\r\nCDN-Loop: other, %s\r\n\r\n", req.Header.Get("CDN-Loop"))
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

// says is a server that answers with what it got in some fields.
func says(names ...string) func(net.Conn) {
	return func(c net.Conn) {
		if req, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			got := ""
			for _, name := range names {
				got += fmt.Sprint(req.Header.Values(name))
			}
			io.WriteString(c, fmt.Sprintf("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(got), got))
		}
	}
}

func TestMarksOfOthersAreNoLoop(t *testing.T) {
	inWorld(t, servers(says("Cdn-Loop", "Via")), func(w *world) {
		c := w.client()
		c.send("GET / HTTP/1.1\r\nHost: a\r\nCDN-Loop: cdn.example; x=weir-AAAAAAAAAA\r\nVia: 1.0 fred, 1.1 weir\r\n\r\n")
		c.want("another weir's", 200, fmt.Sprintf("[cdn.example; x=weir-AAAAAAAAAA %s][1.0 fred, 1.1 weir]", w.driver.pseudonym))
		c.Close()
	})
}

func TestViaIsSentWhereItIsWanted(t *testing.T) {
	inWorld(t, servers(says("Via")), func(w *world) {
		for _, version := range []string{"1.1", "1.0"} {
			for _, via := range []bool{true, false} {
				w.route.Via = via
				c := w.client()
				c.send("GET / HTTP/" + version + "\r\nHost: a\r\n\r\n")
				want := "[]"
				if via {
					want = fmt.Sprintf("[%s %s]", version, w.driver.pseudonym)
				}
				c.want("Via", 200, want)
				c.Close()
			}
		}
	})
}

func TestWhatTheOperatorRemovesStaysRemoved(t *testing.T) {
	names := []string{"Cdn-Loop", "Via", "X-Forwarded-For", "X-Forwarded-Proto"}
	inWorld(t, servers(says(names...)), func(w *world) {
		w.route.Via = true
		w.route.RequestHeaders, w.route.ResponseHeaders = filter.NewHeaderEdit(), filter.NewHeaderEdit()
		for _, name := range names {
			w.route.RequestHeaders.Remove(name)
		}
		w.route.RequestHeaders.Set("X-Forwarded-Proto", "gopher")
		w.route.ResponseHeaders.Remove("date")
		c := w.client()
		c.send("GET / HTTP/1.1\r\nHost: a\r\nX_Forwarded.Proto: https\r\n\r\n")
		c.want("an alias of a field of weir's own", 400, "*")
		c.Close()
		c = w.client()
		c.send("GET / HTTP/1.1\r\nHost: a\r\nVia: 1.1 x\r\n\r\n")
		if head := c.want("what is removed", 200, "[][][][gopher]"); head.Get("Date") != "" {
			t.Error("Date is sent")
		}
		c.Close()
	})
}

// TestNamesThatServersCannotTellApart: a client must not say past a rule what the rule is about.
func TestNamesThatServersCannotTellApart(t *testing.T) {
	inWorld(t, servers(says("X-Client", "X_client", "X.client", "Client-Cert", "True-Client-Ip", "Proxy", "X-Original-Url")), func(w *world) {
		w.route.RequestHeaders = filter.NewHeaderEdit()
		w.route.RequestHeaders.Set("X-Client", "weir")
		c := w.client()
		c.send("GET / HTTP/1.1\r\nHost: a\r\nx_client: forged\r\nX.CLIENT: forged\r\nClient-Cert: :x:\r\nTrue-Client-IP: 1.1.1.1\r\nProxy: http://evil\r\nX-Original-URL: /admin\r\n\r\n")
		c.want("forged fields", 200, "[weir][][][][][][]")
		c.Close()
		c = w.client()
		c.send("GET / HTTP/1.1\r\nHost: a\r\nclient_cert: :x:\r\n\r\n")
		c.want("an alias of a claim", 400, "*")
		c.Close()
	})
}

func TestNoClaimOfAnUntrustedClientPasses(t *testing.T) {
	var names []string
	for _, id := range message.Claims() {
		names = append(names, id.String())
	}
	inWorld(t, servers(says(names...)), func(w *world) {
		c := w.client()
		for _, name := range names {
			c.send("GET / HTTP/1.1\r\nHost: a\r\n" + strings.ToLower(name) + ": forged\r\n\r\n")
			c.want(name, 200, strings.Repeat("[]", len(names)))
		}
		c.Close()
	})
}
