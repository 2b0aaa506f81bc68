package http2

import (
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// A reload that takes a version of HTTP from a listener holds for the clients that have it: what is under way ends, and after one more request at most their connections are over.
func TestAVersionThatIsTakenAwayIsOver(t *testing.T) {
	begun, goOn := make(chan struct{}, 2), make(chan struct{})
	at := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			io.WriteString(w, "slow")
			w.(http.Flusher).Flush()
			begun <- struct{}{}
			<-goOn
		}
		io.WriteString(w, "done")
	}))
	w := newWorld(t, "pools: { app: \""+at+"\" }\nsites: { \"*\": app }\n")
	base := "https://localhost" + w.secure[strings.LastIndex(w.secure, ":"):]
	overQUIC := w.quic()
	defer overQUIC.Close()
	both := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: w.roots, ServerName: "localhost"}, ForceAttemptHTTP2: true}
	defer both.CloseIdleConnections()
	clients := map[int]*http.Client{2: {Transport: both}, 3: {Transport: overQUIC}}
	ended := make(chan error, 2)
	for version, c := range clients {
		response, err := c.Get(base + "/slow")
		if err != nil {
			t.Fatal(err)
		}
		if response.ProtoMajor != version {
			t.Fatalf("HTTP/%d was spoken, not %d", response.ProtoMajor, version)
		}
		go func() {
			body, err := io.ReadAll(response.Body)
			if err == nil && string(body) != "slowdone" {
				err = io.ErrUnexpectedEOF
			}
			ended <- err
		}()
		<-begun
	}
	text, err := os.ReadFile(w.file())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.file(), []byte(strings.Replace(string(text), ", tls:", ", http: [http1], tls:", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	w.reload()
	for version, c := range clients {
		old := 0
		for range 5 {
			c.Timeout = 2 * time.Second
			response, err := c.Get(base + "/")
			if err != nil {
				break // there is no other version for this client
			}
			body, err := io.ReadAll(response.Body)
			response.Body.Close()
			if err != nil || string(body) != "done" {
				t.Errorf("HTTP/%d after the reload: %q, %v", version, body, err)
			}
			if response.ProtoMajor == version {
				old++
			}
			time.Sleep(50 * time.Millisecond) // the client learns of it
		}
		if old > 1 {
			t.Errorf("%d requests were answered over HTTP/%d after the reload", old, version)
		}
	}
	close(goOn)
	for range clients {
		if err := <-ended; err != nil {
			t.Errorf("what was under way: %v", err)
		}
	}
}
