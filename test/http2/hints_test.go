package http2

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// htmlServer is a server all of whose answers have the same head fields.
type htmlServer struct {
	mu     sync.Mutex
	fields http.Header   // of all answers
	gate   chan struct{} // answers wait for it, if it is set
}

func (p *htmlServer) set(gate chan struct{}, fields ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gate, p.fields = gate, http.Header{"Content-Type": {"text/html; charset=utf-8"}}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		if name == "Content-Type" {
			p.fields.Del(name)
		}
		p.fields.Add(name, value)
	}
}

func (p *htmlServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	gate, fields := p.gate, p.fields
	p.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-r.Context().Done():
		}
	}
	for name, values := range fields {
		w.Header()[name] = values
	}
	io.WriteString(w, "<p>")
}

// hintsOf asks for a page and returns the links that came ahead of the answer. early is called as they come.
func hintsOf(t *testing.T, c *http.Client, url string, early func(), fields ...string) (links []string) {
	t.Helper()
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		if code == 103 {
			links = append(links, h["Link"]...)
			if early != nil {
				early()
			}
		}
		return nil
	}}
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(context.Background(), trace), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.Set(name, value)
	}
	response, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); string(body) != "<p>" || err != nil || response.StatusCode != 200 {
		t.Errorf("%s: %s %q %v", url, response.Status, body, err)
	}
	return links
}

// What a page has had its clients load, the next client is told before the server has answered.
func TestEarlyHintsAreLearnt(t *testing.T) {
	p := &htmlServer{}
	w := newWorldUnder(t, fmt.Sprintf("pools:\n  app: { servers: [%q] }\nsites:\n  \"*\": { early_hints: on, /off/*: { pool: app, early_hints: off }, /*: app }\n", serve(t, p)), oneLoop)
	c := w.http()
	url := "https://localhost:" + port(w.secure)
	const style, script = "</a.css>; rel=preload; as=style", "</b.mjs>; rel=modulepreload"
	p.set(nil, "Link: "+style+", </next>; rel=next", "Link: "+script)
	learn := func(path string, fields ...string) {
		t.Helper()
		if got := hintsOf(t, c, url+path, nil, fields...); got != nil {
			t.Errorf("%s: hints %q before the page was seen", path, got)
		}
	}
	learn("/page")
	learn("/off/page")

	// The server answers when the client has the hints, and not before.
	gate := make(chan struct{})
	p.set(gate, "Link: "+style, "Link: "+script)
	began := time.Now()
	if got := hintsOf(t, c, url+"/page?x=1", func() { close(gate) }); !slices.Equal(got, []string{style, script}) || time.Since(began) > time.Second {
		t.Errorf("hints %q in %v", got, time.Since(began))
	}
	p.set(nil, "Link: "+style, "Link: "+script)
	one := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: w.roots, ServerName: "localhost"}}}
	for name, none := range map[string][]string{
		"another page":     hintsOf(t, c, url+"/other", nil),
		"not asked for":    hintsOf(t, c, url+"/off/page", nil),
		"HTTP/1.1":         hintsOf(t, one, url+"/page", nil),
		"a script's fetch": hintsOf(t, c, url+"/page", nil, "Sec-Fetch-Mode: cors"),
		"authorized":       hintsOf(t, c, url+"/page", nil, "Authorization: Basic eDp5"),
	} {
		if none != nil {
			t.Errorf("%s: hints %q", name, none)
		}
	}
	if got := hintsOf(t, c, url+"/page", nil, "Sec-Fetch-Mode: navigate"); len(got) != 2 {
		t.Errorf("a browser that goes to the page: %q", got)
	}

	quic := w.quic()
	if got := hintsOf(t, &http.Client{Transport: quic}, url+"/page", nil); len(got) != 2 {
		t.Errorf("HTTP/3: %q", got)
	}

	// What is not for all, or is gone, is told nobody.
	link := "Link: " + style
	for i, fields := range [][]string{{link, "Cache-Control: max-age=1, private"}, {link, "Cache-Control: no-store"}, {link, "Vary: Accept-Encoding, Cookie"}, {link, "Vary: authorization"},
		{link, "Vary: *"}, {link, "Content-Type: text/css"}, {"Link: </next>; rel=next"}, {"X: y"}} {
		path := fmt.Sprintf("/not/%d", i)
		p.set(nil, link)
		learn(path)
		if got := hintsOf(t, c, url+path, nil); len(got) != 1 {
			t.Fatalf("%s: %q, want one hint", path, got)
		}
		p.set(nil, fields...)
		hintsOf(t, c, url+path, nil)
		got := hintsOf(t, c, url+path, nil)
		if isStyle := len(fields) > 1 && fields[1] == "Content-Type: text/css"; (got == nil) == isStyle {
			t.Errorf("after an answer with %q: hints %q", fields, got)
		}
	}
}

// oneLoop makes weir's loops one, so that what one request teaches is known to the next.
var oneLoop = []string{"taskset", "-c", "0"}
