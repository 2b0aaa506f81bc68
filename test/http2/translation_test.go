package http2

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
)

// Both kinds of server get the same requests and give the same answers.
var servers = map[string]string{"http1": "http1", "h2c": "h2c"}

func TestRequestsAndAnswersPassInBothVersions(t *testing.T) {
	at := serve(t, http.HandlerFunc(echo))
	body := make([]byte, 3<<20)
	rand.Read(body)
	for name, protocol := range servers {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, fmt.Sprintf("pools:\n  app: { servers: [%q], protocol: %s }\nsites:\n  \"*\": app\n", at, protocol))
			for client, scheme := range map[*http.Client]string{w.http(): "https://localhost:" + port(w.secure), {}: "http://" + w.clear} {
				for _, size := range []int{0, 1, 100, 5000, 70_000, len(body)} {
					for _, known := range []bool{true, false} {
						r, _ := http.NewRequest("POST", scheme+"/a/b?c=d", bytes.NewReader(body[:size]))
						if !known {
							r.Body = io.NopCloser(bytes.NewReader(body[:size]))
							r.ContentLength = -1
						}
						r.Header.Add("Cookie", "a=b; c=d")
						if !known {
							r.Trailer = http.Header{"X-Start": {"yes"}}
						}
						r.Header.Set("TE", "trailers")
						response, err := client.Do(r)
						if err != nil {
							t.Fatal(err)
						}
						got, err := io.ReadAll(response.Body)
						response.Body.Close()
						if err != nil || !bytes.Equal(got, body[:size]) {
							t.Errorf("%s %d bytes, length known %v: %d bytes came back, %v", response.Proto, size, known, len(got), err)
						}
						if response.Header.Get("X-Path") != "/a/b?c=d" || response.Header.Get("X-Cookie") != "a=b; c=d" {
							t.Errorf("the server saw %v", response.Header)
						}
						want := "here"
						if !known {
							want = "hereyes"
						}
						if got := response.Trailer.Get("X-End"); got != want {
							t.Errorf("%s %d bytes, length known %v: trailer %q, want %q", response.Proto, size, known, got, want)
						}
					}
				}
			}
		})
	}
}

func port(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }

// Nothing that HTTP/1.1 would read as the end of a line or of a word reaches a server in a name, a value or a pseudo-header field.
func TestNothingIsInjected(t *testing.T) {
	var seen atomic.Int32
	at := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/good" {
			seen.Add(1)
			t.Errorf("a server saw %s %q %v", r.Method, r.RequestURI, r.Header)
		}
	}))
	replace := func(at int, field string) []string {
		f := get("/bad")
		f[at] = field
		return f
	}
	var cases [][]string
	for _, evil := range []string{"\r", "\n", "\x00", "\r\n", "\r\n\r\n", "\r\nX-A: b", " ", "\t", "\x7f", "\x0b", "\u2028\r"} {
		cases = append(cases,
			replace(0, ":method: G"+evil+"ET"), replace(0, ":method: GET"+evil), replace(0, ":method: "+evil+"GET"),
			replace(0, ":method: GET /bad HTTP/1.1"+evil+"Host: x"),
			replace(2, ":authority: a"+evil+"b"), replace(2, ":authority: localhost"+evil), replace(2, ":authority: "+evil),
			replace(3, ":path: /b"+evil+"ad"), replace(3, ":path: /bad"+evil), replace(3, ":path: "+evil+"/bad"), replace(3, ":path: /bad HTTP/1.1"+evil+"X: y"),
			append(get("/bad"), "x"+evil+"y: z"), append(get("/bad"), evil+"x: z"), append(get("/bad"), "x"+evil+": z"))
		if strings.Trim(evil, " \t") != "" {
			cases = append(cases, append(get("/bad"), "x: y"+evil+"z"))
		}
		cases = append(cases, append(get("/bad"), "x: y"+evil), append(get("/bad"), "x: "+evil+"y"))
	}
	cases = append(cases,
		append(get("/bad"), "transfer-encoding: chunked"), append(get("/bad"), "connection: x"), append(get("/bad"), "content-length: 5"),
		append(get("/bad"), "content-length: 0", "content-length: 0"), append(get("/bad"), "host: other"), append(get("/bad"), "X: y"), append(get("/bad"), ": y"),
		replace(0, ":method: "), replace(3, ":path: "), replace(3, ":path: bad"), replace(3, ":path: http://x/bad"), replace(1, ":other: x"),
		replace(2, ":authority: a,b"), replace(2, ":authority: a@b"), replace(2, ":authority: a/b"), append(get("/bad"), "x_forwarded_for: 1"))
	for name, protocol := range servers {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, fmt.Sprintf("pools:\n  app: { servers: [%q], protocol: %s }\nsites:\n  \"*\": app\n", at, protocol))
			for _, fields := range cases {
				c := w.dial(w.clear)
				id, err := c.open(true, fields...)
				if err != nil {
					t.Fatal(err)
				}
				a, err := c.await(id)
				if err == nil && !a.wasReset && !strings.HasPrefix(a.status, "4") {
					t.Errorf("%q is answered %q", fields, a.status)
				}
				if a.wasReset && a.reset != http2.ErrCodeProtocol {
					t.Errorf("%q is reset by %v", fields, a.reset)
				}
				c.conn.Close()
			}
			c := w.dial(w.clear)
			id, _ := c.open(true, get("/good")...)
			if a, err := c.await(id); err != nil || a.status != "200" {
				t.Errorf("afterwards: %v %v", a, err)
			}
		})
	}
	t.Logf("%d cases", len(cases))
}
