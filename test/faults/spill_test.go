package faults

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Responses that are larger than the file in which they wait for their clients, part of which is therefore written again and again, arrive as they were sent, whatever the version and the framing.
func TestBodiesLargerThanTheirFileAreWhole(t *testing.T) {
	body := make([]byte, 12<<20)
	rand.Read(body)
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Query().Get("n"))
		if r.URL.Path == "/length" {
			w.Header().Set("Content-Length", strconv.Itoa(n))
		}
		w.Write(body[:n])
	}))
	defer origin.Close()
	dir := t.TempDir()
	ca := newAuthority(t, dir, "ca")
	ca.issue("front", time.Now().Add(time.Hour), "files.test")
	s := start(t, strings.NewReplacer("ORIGIN", strings.TrimPrefix(origin.URL, "http://"), "PAIR", dir+"/front").Replace(`
listeners:
  front: "FRONT"
  secure: { address: "SECOND", tls: { certificates: [{ cert: PAIR.pem, key: PAIR.key }] } }
pools: { app: { servers: [ORIGIN] } }
sites: { "*": { pool: app, buffer: { response: 64KiB, spill: 1MiB } } }
admin: "ADMIN"
data: DIR/data
logs: { access: off }
`))
	clients := map[string]*http.Client{}
	for name, protocols := range map[string]func(*http.Protocols){"HTTP/1.1": func(p *http.Protocols) { p.SetHTTP1(true) },
		"HTTP/2": func(p *http.Protocols) { p.SetHTTP2(true); p.SetUnencryptedHTTP2(true) }} {
		p := new(http.Protocols)
		protocols(p)
		clients[name] = &http.Client{Transport: &http.Transport{Protocols: p, TLSClientConfig: &tls.Config{RootCAs: ca.pool, ServerName: "files.test"}}}
	}
	var all sync.WaitGroup
	for name, client := range clients {
		for _, front := range []string{"http://" + s.address["FRONT"], "https://" + s.address["SECOND"]} {
			for _, path := range []string{"/length", "/chunks"} {
				for _, n := range []int{900_000, 3 << 20, 12 << 20} {
					all.Go(func() {
						what := fmt.Sprintf("%s, %s%s, %d bytes", name, front, path, n)
						response, err := client.Get(fmt.Sprintf("%s%s?n=%d", front, path, n))
						if err != nil {
							t.Errorf("%s: %v", what, err)
							return
						}
						defer response.Body.Close()
						time.Sleep(300 * time.Millisecond) // the file fills meanwhile
						got, err := io.ReadAll(&slowly{response.Body, 0})
						if err != nil || len(got) != n {
							t.Errorf("%s: %d, %v", what, len(got), err)
							return
						}
						if at := differ(got, body[:n]); at >= 0 {
							t.Errorf("%s: wrong from byte %d on; what is there belongs at %d", what, at, bytes.Index(body, got[at:at+16]))
						}
					})
				}
			}
		}
	}
	all.Wait()
	if spills := s.status().Exchanges.Spills; spills == 0 {
		t.Error("no file was used")
	}
}

// slowly pauses now and then.
type slowly struct {
	io.Reader
	read int
}

func (s *slowly) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p[:min(len(p), 32<<10)])
	if s.read += n; s.read > 1<<20 {
		s.read = 0
		time.Sleep(20 * time.Millisecond)
	}
	return n, err
}

// differ is where a and b, of one length, first differ; -1: nowhere.
func differ(a, b []byte) int {
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return -1
}

// A file that is written anew in place is sent with its own length and validators, at once.
func TestAFileWrittenInPlaceHasItsOwnLength(t *testing.T) {
	www := t.TempDir()
	s := start(t, strings.ReplaceAll(`
listeners: { front: "FRONT" }
sites: { "*": { files: WWW } }
admin: "ADMIN"
logs: { access: off }
`, "WWW", www))
	ask := func(fields ...string) (status int, etag, body string) {
		request, _ := http.NewRequest("GET", "http://"+s.address["FRONT"]+"/r.bin", nil)
		for i := 0; i < len(fields); i += 2 {
			request.Header.Set(fields[i], fields[i+1])
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		b, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, response.Header.Get("ETag"), string(b)
	}
	old := ""
	for i, letter := range "ABCDEFGH" {
		want := strings.Repeat(string(letter), 100_000+i*1000)
		if err := os.WriteFile(www+"/r.bin", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		for range 8 { // by both loops
			_, etag, body := ask("Connection", "close")
			if body != want || etag == old {
				t.Fatalf("%d bytes of %q with %s, want %d of %q", len(body), body[:1], etag, len(want), letter)
			}
		}
		if status, _, body := ask("Range", "bytes=50000-", "If-Range", old); old != "" && (status != 200 || body != want) {
			t.Errorf("the rest of an older file: %d, %d bytes of %q", status, len(body), body[:1])
		}
		_, old, _ = ask()
	}
}
