package http2

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"
)

// A client that has not turned off Nagle's algorithm sends its first request when the end of its handshake is acknowledged, which no answer does: it must not wait for the system's 40 ms.
func TestClientsWithNaglesAlgorithmDoNotWait(t *testing.T) {
	at := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }))
	w := newWorld(t, fmt.Sprintf("pools: { web: { servers: [%q] } }\nsites: { \"*\": web }\n", at))
	var took []time.Duration
	for range 15 {
		c, err := net.Dial("tcp", w.secure)
		if err != nil {
			t.Fatal(err)
		}
		c.(*net.TCPConn).SetNoDelay(false)
		secure := tls.Client(c, &tls.Config{RootCAs: w.roots, ServerName: "localhost"})
		if err := secure.Handshake(); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		io.WriteString(secure, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		response, err := http.ReadResponse(bufio.NewReader(secure), nil)
		if err != nil || response.StatusCode != 200 {
			t.Fatal(response, err)
		}
		took = append(took, time.Since(began))
		secure.Close()
	}
	slices.Sort(took)
	if median := took[len(took)/2]; median > 30*time.Millisecond {
		t.Errorf("the first answer takes %v", median)
	}
}
