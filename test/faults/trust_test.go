package faults

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

// A reload that changes whom weir trusts, or who it is, holds for all requests that begin after it: none goes over a connection from before. What
// is under way ends whole, and other changes of a pool close nothing.
func TestAReloadOfTrustOpensConnectionsAnew(t *testing.T) {
	for _, protocol := range []string{"http1", "http2"} {
		t.Run(protocol, func(t *testing.T) { testTrust(t, protocol) })
	}
}

func testTrust(t *testing.T, protocol string) {
	goOn := make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			w.Write(make([]byte, 10_000))
			w.(http.Flusher).Flush()
			<-goOn
			w.Write(make([]byte, 10_000))
			return
		}
		fmt.Fprint(w, r.RemoteAddr)
	}))
	server.EnableHTTP2 = protocol == "http2"
	server.StartTLS()
	t.Cleanup(server.Close)
	config := func(tls, more string) string {
		return fmt.Sprintf(`
listeners: { front: { address: "FRONT" } }
pools: { web: { servers: [%q], protocol: %s, tls: %s, balance: round_robin%s } }
sites: { "*": web }
admin: "ADMIN"
`, server.Listener.Addr(), protocol, tls, more)
	}
	s := start(t, config("{ verify: off }", ""))
	authority := newAuthority(t, s.dir, "internal")
	authority.issue("weir", time.Now().Add(time.Hour), "weir.test")
	c := dial(t, s.address["FRONT"]) // on one loop, with the connections of that
	remote := func() string {
		t.Helper()
		response, body, err := c.get("/")
		if err != nil || response.StatusCode != 200 {
			t.Fatalf("%v %v", response, err)
		}
		return body
	}
	first := remote()
	if again := remote(); again != first {
		t.Fatalf("connections are not kept: %s and %s", first, again)
	}
	s.write(config("{ verify: off }", ", timeouts: { response: 20s }"))
	s.reload(reloaded)
	if now := remote(); now != first {
		t.Errorf("another connection, %s after %s, though nothing has changed that it was opened under", now, first)
	}
	slow := halfRead(t, s.address["FRONT"])
	if strings.Contains(s.log(), "opened anew") {
		t.Errorf("the plan speaks of new connections")
	}
	s.write(config("{ verify: off, client_cert: { cert: DIR/weir.pem, key: DIR/weir.key } }", ", timeouts: { response: 20s }"))
	s.reload(reloaded)
	if !strings.Contains(s.log(), "opened anew") {
		t.Errorf("the plan does not speak of new connections")
	}
	second := remote()
	if second == first {
		t.Errorf("the connection is the one that was opened before weir's certificate was named")
	}
	close(goOn)
	if n := <-slow; n != 20_000 {
		t.Errorf("%d bytes of 20000 came of an answer that was under way", n)
	}
	// The files of the certificate are other ones now, under the same names.
	authority.issue("weir", time.Now().Add(2*time.Hour), "weir.test")
	s.reload(reloaded)
	if third := remote(); third == second || third == first {
		t.Errorf("%s after %s: not a new connection, though the certificate is another one", third, second)
	}
	if n := s.status().Pools[0].Servers[0].Connections.Open; n > peers.Cores+2 {
		t.Errorf("%d connections to the server are left", n)
	}
}

// halfRead asks for /slow and returns when half of it is there; the channel gets how many bytes came in all.
func halfRead(t *testing.T, address string) <-chan int {
	t.Helper()
	client, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	client.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(client, "GET /slow HTTP/1.0\r\nHost: a.test\r\n\r\n")
	var answer strings.Builder
	buf := make([]byte, 4096)
	body := func() int { return answer.Len() - (strings.Index(answer.String(), "\r\n\r\n") + 4) }
	for !strings.Contains(answer.String(), "\r\n\r\n") || body() < 10_000 {
		n, err := client.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		answer.Write(buf[:n])
	}
	all := make(chan int, 1)
	go func() {
		rest, _ := io.ReadAll(client)
		all <- body() + len(rest)
	}()
	return all
}
