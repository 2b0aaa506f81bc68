package exchange

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weir-proxy/weir/traffic/filter"
	"github.com/weir-proxy/weir/traffic/site"
)

func pagesOf(intercept bool, statuses ...int) *site.Pages {
	p := &site.Pages{}
	for _, s := range statuses {
		p.Set(s, filter.NewPage("<p>{status} {reason} {path}</p>", `{"status":{status}}`, ""), intercept)
	}
	return p
}

// wantPage reads an answer and compares its body and what keeps it out of caches.
func (c *client) wantPage(what, method string, status int, kind, body string) http.Header {
	c.t.Helper()
	got, text, head := c.answer(method)
	if got != status || text != body || head.Get("Content-Type") != kind || head.Get("Cache-Control") != "no-store" {
		c.t.Errorf("%s: got %d %q %v, want %d %q as %s", what, got, text, head, status, body, kind)
	}
	return head
}

func TestErrorsHaveTheOperatorsPages(t *testing.T) {
	inWorld(t, servers(), func(w *world) {
		w.route.Pages = pagesOf(false, 503)
		w.http.setup.Load().Pages = pagesOf(false, 404, 400)
		c := w.client()
		c.send(getting("/&'b"))
		head := c.wantPage("no server", "GET", 503, "text/html; charset=utf-8", "<p>503 Service Unavailable /&#38;&#39;b</p>")
		if head.Get("Retry-After") != "1" {
			t.Errorf("Retry-After: %q", head.Get("Retry-After"))
		}
		c.send("GET /a HTTP/1.1\r\nHost: a.example\r\nAccept: application/json\r\n\r\n")
		c.wantPage("as JSON", "GET", 503, "application/json", `{"status":503}`)
		c.send("HEAD /a HTTP/1.1\r\nHost: a.example\r\nAccept: application/json\r\n\r\n")
		if head := c.wantPage("HEAD", "HEAD", 503, "application/json", ""); head.Get("Content-Length") != "14" {
			t.Errorf("HEAD: Content-Length %s", head.Get("Content-Length"))
		}
		c.send("POST /a HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n\r\nabc" + getting("/next"))
		c.wantPage("after a body", "GET", 503, "text/html; charset=utf-8", "<p>503 Service Unavailable /a</p>")
		c.wantPage("and the next request", "GET", 503, "text/html; charset=utf-8", "<p>503 Service Unavailable /next</p>")
		c.send("GET /a HTTP/1.1\r\nHost: a.example\r\nAccept: application/json\r\nbad field: x\r\n\r\n")
		c.wantPage("malformed", "GET", 400, "text/html; charset=utf-8", "<p>400 Bad Request </p>")
		c.wantEnd("malformed")
	})
}

func TestServersErrorsAreReplacedWhereAsked(t *testing.T) {
	body := func(n int) string { return strings.Repeat("x", n) }
	answers := map[string]string{
		"/short":   "HTTP/1.1 500 Oops\r\nSet-Cookie: a=b; Domain=10.0.0.1\r\nETag: x\r\nContent-Length: 3\r\n\r\nabc",
		"/long":    "HTTP/1.1 500 Oops\r\nContent-Length: 40000\r\n\r\n" + body(40000),
		"/huge":    "HTTP/1.1 500 Oops\r\nContent-Length: 400000\r\n\r\n" + body(400000),
		"/chunked": "HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		"/none":    "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
		"/other":   "HTTP/1.1 501 Oops\r\nContent-Length: 3\r\n\r\nabc",
		"/401":     "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n",
		"/503":     "HTTP/1.1 503 No\r\nRetry-After: 17\r\nContent-Length: 0\r\n\r\n",
	}
	inWorld(t, servers(plain(answers)), func(w *world) {
		w.route.Pages = pagesOf(true, 401, 500, 503)
		c := w.client()
		for path, kept := range map[string]bool{"/short": true, "/long": true, "/huge": false, "/chunked": true, "/none": true} {
			w.dials = nil
			c.send(getting(path))
			head := c.wantPage(path, "GET", 500, "text/html; charset=utf-8", "<p>500 Internal Server Error "+path+"</p>")
			if head.Get("ETag") != "" || path == "/short" && head.Get("Set-Cookie") != "a=b; Domain=a.example" {
				t.Errorf("%s: %v", path, head)
			}
			w.dials = nil
			c.send(getting("/ok"))
			c.want(path+", the next", 200, "GET /ok")
			if isKept := len(w.dials) == 0; isKept != kept {
				t.Errorf("%s: the server's connection is kept: %v, want %v", path, isKept, kept)
			}
		}
		c.send(getting("/other"))
		c.want("a status without a page", 501, "abc")
		c.send(getting("/401"))
		if head := c.wantPage("401", "GET", 401, "text/html; charset=utf-8", "<p>401 Unauthorized /401</p>"); head.Get("WWW-Authenticate") == "" {
			t.Error("nobody can log in")
		}
		c.send(getting("/503"))
		if head := c.wantPage("503", "GET", 503, "text/html; charset=utf-8", "<p>503 Service Unavailable /503</p>"); strings.Join(head["Retry-After"], "|") != "17" {
			t.Errorf("Retry-After: %q", head["Retry-After"])
		}
		w.route.Pages = pagesOf(false, 500)
		c.send(getting("/short"))
		c.want("not asked for", 500, "abc")
	})
}

func TestARespondWithoutABodyHasThePage(t *testing.T) {
	inWorld(t, servers(), func(w *world) {
		w.route.Destination = nil
		w.route.Pages = pagesOf(false, 404)
		w.route.Respond = &site.Respond{Status: 404}
		c := w.client()
		c.send(getting("/a"))
		c.wantPage("without a body", "GET", 404, "text/html; charset=utf-8", "<p>404 Not Found /a</p>")
		w.route.Respond = &site.Respond{Status: 404, Body: []byte("own")}
		c.send(getting("/a"))
		c.want("with a body", 404, "own")
	})
}

func TestInMaintenanceNoServerIsAsked(t *testing.T) {
	inWorld(t, servers(plain(nil)), func(w *world) {
		w.route.Maintenance = &site.Maintenance{Page: filter.NewPage("<p>works</p>", "", ""), RetryIn: 120}
		c := w.client()
		c.send("POST /a HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n\r\nabc")
		if head := c.wantPage("in maintenance", "GET", 503, "text/html; charset=utf-8", "<p>works</p>"); head.Get("Retry-After") != "120" {
			t.Errorf("Retry-After: %q", head.Get("Retry-After"))
		}
		if len(w.dials) > 0 {
			t.Error("a server was asked")
		}
		w.route.Maintenance = nil
		c.send(getting("/c"))
		c.want("in service", 200, "GET /c")
	})
}

// A server that refuses early is told so in the operator's words, and what the client still sends is nobody's next request.
func TestAReplacedAnswerMayComeBeforeTheUploadsEnd(t *testing.T) {
	refuses := func(c net.Conn) {
		r := bufio.NewReader(c)
		if _, err := http.ReadRequest(r); err != nil {
			return
		}
		io.WriteString(c, "HTTP/1.1 500 Oops\r\nContent-Length: 3\r\n\r\nabc")
		time.Sleep(time.Second)
	}
	inWorld(t, servers(refuses), func(w *world) {
		w.route.Pages = pagesOf(true, 500)
		c := w.client()
		c.send("POST /a HTTP/1.1\r\nHost: a.example\r\nContent-Length: 900000\r\n\r\n")
		go io.WriteString(c, strings.Repeat("GET / HTTP/1.1\r\n", 900000/16))
		c.wantPage("refused early", "GET", 500, "text/html; charset=utf-8", "<p>500 Internal Server Error /a</p>")
		c.wantEnd("refused early")
	})
}
