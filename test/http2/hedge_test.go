package http2

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Requests to servers of HTTP/2 are hedged as those to servers of HTTP/1.1 are: the copy is a request of its own, whose answer is whole.
func TestHedgedRequestsToServersOfHTTP2(t *testing.T) {
	var slow atomic.Bool
	var asked [2]atomic.Int64
	serving := func(i int) string {
		return serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked[i].Add(1)
			if i == 0 && slow.Load() {
				select {
				case <-r.Context().Done():
				case <-time.After(3 * time.Second):
				}
			}
			w.Header().Set("Trailer", "X-Id")
			w.Header().Set("X-Server", fmt.Sprint(i))
			io.WriteString(w, r.URL.Path+" "+r.Proto+strings.Repeat("x", 40_000))
			w.Header().Set("X-Id", r.URL.Path)
		}))
	}
	w := newWorld(t, fmt.Sprintf("pools: { app: { servers: [%q, %q], protocol: h2c, hedge: { at: p95, budget: 100%% }, health: off } }\nsites: { \"*\": app }\n", serving(0), serving(1)))
	client := w.http()
	url := "https://localhost" + w.secure[strings.LastIndex(w.secure, ":"):]
	get := func(n int) (server string, took time.Duration) {
		path := fmt.Sprintf("/%d", n)
		began := time.Now()
		r, _ := http.NewRequest("GET", url+path, nil)
		r.Header.Set("TE", "trailers")
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if want := path + " HTTP/2.0" + strings.Repeat("x", 40_000); err != nil || string(body) != want || response.Trailer.Get("X-Id") != path {
			t.Fatalf("%d bytes, %.20q, trailer %q, %v", len(body), body, response.Trailer.Get("X-Id"), err)
		}
		return response.Header.Get("X-Server"), time.Since(began)
	}
	for n := range 400 { // how long answers take is learnt
		get(n)
	}
	slow.Store(true)
	before := asked[1].Load()
	for n := range 40 {
		if server, took := get(1000 + n); took > 2*time.Second {
			t.Errorf("server %s answered after %v", server, took)
		}
	}
	if asked[1].Load()-before < 40 {
		t.Errorf("the second server was asked %d times", asked[1].Load()-before)
	}
}
