package http2

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/weir-proxy/weir/test/peers"
)

// zeros is so many bytes.
type zeros struct{ left int }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), z.left)
	z.left -= n
	return n, nil
}

// Over a link with a round trip of 40 ms, uploads and downloads are as quick as through Go's own server and client, in both of weir's roles: windows grow with what a
// link carries.
func TestDistanceDoesNotSlowStreamsDown(t *testing.T) {
	const size, delay = 64 << 20, 20 * time.Millisecond
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		if r.Method == "GET" {
			io.Copy(w, &zeros{size})
			return
		}
		fmt.Fprint(w, n)
	})
	origin := serve(t, handler)
	w := newWorld(t, fmt.Sprintf("pools: { near: { servers: [%q], protocol: h2c }, far: { servers: [%q], protocol: h2c, health: off } }\nsites: { \"*\": { /near: { pool: near, body_limit: off }, /far: { pool: far, body_limit: off } } }\n",
		origin, peers.Distance(t, origin, delay)))
	clientOf := func(address string) *http.Client {
		tr := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: w.roots, ServerName: "localhost"}}
		t.Cleanup(tr.CloseIdleConnections)
		return &http.Client{Transport: tr, Timeout: time.Minute}
	}
	rate := func(c *http.Client, method, url string) float64 {
		var body io.Reader
		if method == "POST" {
			body = &zeros{size}
		}
		begun := time.Now()
		r, err := http.NewRequest(method, url, body)
		if err != nil {
			t.Fatal(err)
		}
		response, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		n, err := io.Copy(io.Discard, response.Body)
		if err != nil || response.StatusCode != 200 || method == "GET" && n != size {
			t.Fatalf("%s: %d bytes, %v", response.Status, n, err)
		}
		return size / time.Since(begun).Seconds() / 1e6
	}
	far := peers.Distance(t, w.secure, delay)
	for _, method := range []string{"POST", "GET"} {
		clients := rate(clientOf(far), method, "https://"+far+"/near")
		servers := rate(clientOf(w.secure), method, "https://"+w.secure+"/far")
		t.Logf("%s: %.0f MB/s to a client, %.0f MB/s to a server that is 40 ms away", method, clients, servers)
		if clients < 15 || servers < 15 {
			t.Errorf("%s: %.1f MB/s to a client, %.1f MB/s to a server that is 40 ms away, want 15 at least", method, clients, servers)
		}
	}
}

// HTTP/3 likewise, for clients and to servers.
func TestDistanceDoesNotSlowHTTP3Down(t *testing.T) {
	const size, delay = 32 << 20, 20 * time.Millisecond
	origin := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n, _ := io.Copy(io.Discard, r.Body); r.Method == "POST" {
			fmt.Fprint(w, n)
			return
		}
		io.Copy(w, &zeros{size})
	}))
	w := newWorld(t, fmt.Sprintf("pools: { near: { servers: [%q], protocol: h2c } }\nsites: { \"*\": { pool: near, body_limit: off } }\n", origin))
	far, stop, err := peers.FarPackets(w.secure, delay)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	tr := &http3.Transport{TLSClientConfig: &tls.Config{RootCAs: w.roots, ServerName: "localhost"}}
	defer tr.Close()
	c := &http.Client{Transport: tr, Timeout: time.Minute}
	for _, method := range []string{"POST", "GET", "POST", "GET"} {
		var body io.Reader
		if method == "POST" {
			body = &zeros{size}
		}
		begun := time.Now()
		r, err := http.NewRequest(method, "https://"+far+"/", body)
		if err != nil {
			t.Fatal(err)
		}
		response, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != 200 || method == "GET" && n != size {
			t.Fatalf("%s: %d bytes, %v", response.Status, n, err)
		}
		rate := size / time.Since(begun).Seconds() / 1e6
		t.Logf("%s: %.0f MB/s", method, rate)
		if rate < 10 {
			t.Errorf("%s: %.1f MB/s to a client that is 40 ms away, want 10 at least", method, rate)
		}
	}
}
