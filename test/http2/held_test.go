package http2

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// An answer that is held back, so that its server is free before the client has it, keeps its own trailers: the server's stream carries another answer by then.
func TestHeldBackAnswersHaveTheirOwnTrailers(t *testing.T) {
	at := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Id")
		io.WriteString(w, strings.Repeat("x", 3000))
		w.(http.Flusher).Flush()
		io.WriteString(w, strings.Repeat("y", 30_000))
		w.Header().Set("X-Id", r.URL.Query().Get("id"))
	}))
	w := newWorld(t, fmt.Sprintf("pools: { app: { servers: [%q], protocol: h2c } }\nsites: { \"*\": { /memory: { pool: app, buffer: { response: 2MiB } }, /file: { pool: app, buffer: { response: 16KiB, spill: 10MiB } } } }\n", at))
	for _, client := range []*http.Client{w.http(), {Timeout: 20 * time.Second}} {
		base := "https://localhost" + w.secure[strings.LastIndex(w.secure, ":"):]
		if client.Transport == nil {
			base = "http://" + w.clear
		}
		for _, path := range []string{"/memory", "/file"} {
			var all sync.WaitGroup
			for i := range 20 {
				all.Go(func() {
					for n := range 50 {
						id := fmt.Sprintf("%d-%d-%s", i, n, strings.Repeat("z", (i*7+n)%40))
						r, _ := http.NewRequest("GET", base+path+"?id="+id, nil)
						r.Header.Set("TE", "trailers")
						response, err := client.Do(r)
						if err != nil {
							t.Error(err)
							return
						}
						body, err := io.ReadAll(response.Body)
						response.Body.Close()
						if got := response.Trailer.Get("X-Id"); err != nil || len(body) != 33_000 || got != id {
							t.Errorf("%s %s: %d bytes, %v, trailer %q, want %q", response.Proto, path, len(body), err, got, id)
							return
						}
					}
				})
			}
			all.Wait()
		}
	}
}

// A copy has the body of a request whose length its head does not tell and that came in one with it.
func TestMirroredBodiesThatComeWithTheirHeadAreWhole(t *testing.T) {
	got := make(chan string, 2)
	serving := func(name string) string {
		return serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			got <- fmt.Sprintf("%s %q %v", name, body, err)
		}))
	}
	w := newWorld(t, fmt.Sprintf("pools: { web: %q, copies: %q }\nsites: { \"*\": { pool: web, mirror: copies } }\n", serving("server"), serving("mirror")))
	for range 10 {
		curl := exec.Command("curl", "-sS", "--http2-prior-knowledge", "-T", "-", "http://"+w.clear+"/x")
		curl.Stdin = strings.NewReader("vm\n")
		if out, err := curl.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for range 2 {
			select {
			case text := <-got:
				if !strings.HasSuffix(text, ` "vm\n" <nil>`) {
					t.Error(text)
				}
			case <-time.After(5 * time.Second):
				t.Fatal("there is no copy")
			}
		}
	}
}

// Programs that write a little more than a frame at a time send a frame of a byte behind each full one, which is no flood.
func TestAFrameOfAByteBehindEachFullOneIsNoFlood(t *testing.T) {
	const pieces = 16_000
	piece := bytes.Repeat([]byte("x"), 16<<10+1)
	at := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for range pieces {
			w.Write(piece)
			w.(http.Flusher).Flush()
		}
	}))
	w := newWorld(t, fmt.Sprintf("pools: { app: { servers: [%q], protocol: h2c } }\nsites: { \"*\": { pool: app, body_limit: off } }\n", at))
	client := w.http()
	client.Timeout = time.Minute
	url := "https://localhost" + w.secure[strings.LastIndex(w.secure, ":"):]
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, response.Body)
	response.Body.Close()
	if err != nil || n != int64(pieces*len(piece)) {
		t.Errorf("received %d of %d bytes: %v", n, pieces*len(piece), err)
	}
}
