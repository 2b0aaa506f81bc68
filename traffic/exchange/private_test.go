package exchange

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// byConnection is a server that says on which of its connections a request came and who has authenticated that connection, as NTLM does.
func byConnection() func(net.Conn) {
	var made atomic.Int32
	return func(c net.Conn) {
		number, user := made.Add(1), "nobody"
		r := bufio.NewReader(c)
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			io.Copy(io.Discard, req.Body)
			if credentials := req.Header.Get("Authorization"); credentials != "" {
				user = credentials[strings.IndexByte(credentials, ' ')+1:]
			}
			if req.URL.Path == "/login" && user == "nobody" {
				fmt.Fprint(c, "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=a\r\nwww-authenticate: NTLM\r\nContent-Length: 0\r\n\r\n")
				continue
			}
			text := fmt.Sprintf("connection %d of %s", number, user)
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
		}
	}
}

func withCredentials(value string) string {
	return "GET / HTTP/1.1\r\nHost: a.example\r\nAuthorization: " + value + "\r\n\r\n"
}

func TestAuthenticatedConnectionBelongsToItsClient(t *testing.T) {
	for _, scheme := range []string{"NTLM", "Negotiate", "negotiate"} {
		inWorld(t, servers(byConnection()), func(w *world) {
			ann, bob := w.client(), w.client()
			ann.send(withCredentials(scheme + " ann"))
			ann.want("the one who authenticates", 200, "connection 1 of ann")
			bob.send(getting("/"))
			bob.want("another client", 200, "connection 2 of nobody")
			ann.send(getting("/"))
			ann.want("her next request, without credentials", 200, "connection 1 of ann")
			synctest.Wait() // until what was used is back
			eve := w.client()
			eve.send(getting("/"))
			eve.want("a connection that nobody authenticated is shared", 200, "connection 2 of nobody")
			ann.Close()
			synctest.Wait()
			eve.send(getting("/"))
			eve.want("after she has gone", 200, "connection 2 of nobody")
			bob.Close()
			eve.Close()
		})
	}
}

func TestHandshakeThatAServerBeginsStaysOnItsConnection(t *testing.T) {
	inWorld(t, servers(byConnection()), func(w *world) {
		ann, bob := w.client(), w.client()
		ann.send(getting("/login"))
		ann.want("asked to authenticate", 401, "")
		bob.send(getting("/"))
		bob.want("another client meanwhile", 200, "connection 2 of nobody")
		ann.send(strings.Replace(withCredentials("NTLM ann"), "GET /", "GET /login", 1))
		ann.want("the answer to that", 200, "connection 1 of ann")
		ann.Close()
		bob.Close()
	})
}

func TestBasicCredentialsShareConnections(t *testing.T) {
	inWorld(t, servers(byConnection()), func(w *world) {
		ann, bob := w.client(), w.client()
		ann.send(withCredentials("Basic YW5uOmE="))
		ann.want("basic", 200, "connection 1 of YW5uOmE=")
		synctest.Wait()
		bob.send(getting("/"))
		bob.want("the same connection", 200, "connection 1 of YW5uOmE=")
		ann.Close()
		bob.Close()
	})
}

func TestUnsharedConnectionsAreEachClientsOwn(t *testing.T) {
	inWorld(t, servers(byConnection()), func(w *world) {
		w.route.Destination.Transport.Private = true
		ann, bob := w.client(), w.client()
		for range 2 {
			ann.send(getting("/"))
			ann.want("ann", 200, "connection 1 of nobody")
			bob.send(getting("/"))
			bob.want("bob", 200, "connection 2 of nobody")
		}
		ann.Close()
		bob.Close()
	})
}

func TestPrivateConnectionThatTheServerClosedIsReplaced(t *testing.T) {
	inWorld(t, servers(byConnection()), func(w *world) {
		ann := w.client()
		ann.send(withCredentials("NTLM ann"))
		ann.want("first", 200, "connection 1 of ann")
		time.Sleep(58 * time.Second) // weir gives idle connections up after 55 s
		ann.send(getting("/"))
		ann.want("after a pause", 200, "connection 2 of nobody")
		ann.Close()
	})
}

func TestPrivateConnectionEndsWithItsClient(t *testing.T) {
	ended := make(chan bool, 1)
	server := func(c net.Conn) {
		byConnection()(c)
		ended <- true
	}
	inWorld(t, servers(server), func(w *world) {
		ann := w.client()
		ann.send(withCredentials("NTLM ann"))
		ann.want("first", 200, "connection 1 of ann")
		synctest.Wait()
		if len(ended) > 0 {
			t.Fatal("the connection ended while its client was there")
		}
		ann.Close()
		synctest.Wait()
		if len(ended) == 0 {
			t.Error("the connection outlives its client")
		}
	})
}
