package http2

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A copy of a request has the body of the request, in every version and although its length is not known at the beginning.
func TestMirroredBodiesAreWhole(t *testing.T) {
	got := make(chan string, 4)
	serving := func(name string) string {
		return serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			got <- fmt.Sprintf("%s %d %v", name, len(body), err)
		}))
	}
	w := newWorld(t, fmt.Sprintf("pools: { web: %q, copies: %q }\nsites: { \"*\": { pool: web, mirror: copies } }\n", serving("server"), serving("mirror")))
	for _, client := range []*http.Client{w.http(), {}} {
		url := "https://localhost" + w.secure[strings.LastIndex(w.secure, ":"):]
		if client.Transport == nil {
			url = "http://" + w.clear
		}
		for _, size := range []int{0, 1, 30_000} {
			for _, known := range []bool{true, false} {
				var body io.Reader = strings.NewReader(strings.Repeat("x", size))
				if !known {
					body = io.MultiReader(body) // of no length that net/http can see
				}
				response, err := client.Post(url+"/", "text/plain", body)
				if err != nil {
					t.Fatal(err)
				}
				response.Body.Close()
				for range 2 {
					select {
					case text := <-got:
						if !strings.HasSuffix(text, fmt.Sprintf(" %d <nil>", size)) {
							t.Errorf("%d bytes by %s: %s", size, response.Proto, text)
						}
					case <-time.After(5 * time.Second):
						t.Fatalf("%d bytes, known %v: there is no copy", size, known)
					}
				}
			}
		}
	}
}
