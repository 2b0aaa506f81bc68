package http2

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// soon is how long a piece may take from the one end to the other.
const soon = 50 * time.Millisecond

// Outlook's RPC over HTTP has two requests that last: what RPC_IN_DATA sends, announced as 1 GiB, reaches the server piece by piece, and the answer to RPC_OUT_DATA
// comes piece by piece. On a connection that NTLM has authenticated both stay with the server connection that was.
func TestChannelsOfRPCOverHTTPStreamBothWays(t *testing.T) {
	arrivals := map[string]chan string{"": make(chan string, 100), "ntlm": make(chan string, 100)}
	says := map[string]chan string{"": make(chan string), "ntlm": make(chan string)}
	at := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived, say := arrivals[r.URL.RawQuery], says[r.URL.RawQuery]
		if r.Header.Get("Authorization") == "" && r.URL.RawQuery == "ntlm" {
			w.Header().Set("WWW-Authenticate", "NTLM")
			w.WriteHeader(401)
			return
		}
		if r.Header.Get("Authorization") != "" {
			arrived <- r.RemoteAddr
		}
		switch r.Method {
		case "RPC_IN_DATA":
			b := make([]byte, 4096)
			for {
				n, err := r.Body.Read(b)
				if n > 0 {
					arrived <- string(b[:n])
				}
				if err != nil {
					return
				}
			}
		case "RPC_OUT_DATA":
			w.Header().Set("Content-Type", "application/rpc")
			w.Header().Set("Content-Length", "1073741824")
			w.(http.Flusher).Flush()
			for {
				select {
				case piece := <-say:
					io.WriteString(w, piece)
					w.(http.Flusher).Flush()
				case <-r.Context().Done():
					return
				}
			}
		}
	}))
	w := newWorld(t, fmt.Sprintf("pools:\n  exchange: { servers: [%q] }\nsites:\n  \"*\": { /rpc/*: { pool: exchange, body_limit: 2GiB, buffer: off, timeouts: { response: 30m } } }\n", at))
	for _, query := range []string{"", "ntlm"} {
		arrived, say := arrivals[query], says[query]
		open := func(method, length string) (net.Conn, *bufio.Reader) {
			conn, err := net.Dial("tcp", w.clear)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			conn.SetDeadline(time.Now().Add(30 * time.Second))
			in := bufio.NewReader(conn)
			credentials := ""
			if query == "ntlm" {
				fmt.Fprintf(conn, "%s /rpc/rpcproxy.dll?%s HTTP/1.1\r\nHost: mail\r\nContent-Length: 0\r\n\r\n", method, query)
				response, err := http.ReadResponse(in, nil)
				if err != nil || response.StatusCode != 401 {
					t.Fatalf("%v %v", response, err)
				}
				credentials = "Authorization: NTLM x\r\n"
			}
			fmt.Fprintf(conn, "%s /rpc/rpcproxy.dll?%s HTTP/1.1\r\nHost: mail\r\n%sContent-Length: %s\r\n\r\n", method, query, credentials, length)
			if query == "ntlm" {
				<-arrived
			}
			return conn, in
		}
		in, _ := open("RPC_IN_DATA", "1073741824")
		_, out := open("RPC_OUT_DATA", "0")
		response, err := http.ReadResponse(out, nil)
		if err != nil || response.ContentLength != 1<<30 {
			t.Fatalf("%v %v", response, err)
		}
		var slowest time.Duration
		for i := range 50 {
			if i == 1 && query == "" {
				time.Sleep(11 * time.Second) // longer than any other body may rest
			}
			piece := fmt.Sprintf("piece %d of a channel ", i) + strings.Repeat("x", i*20)
			began := time.Now()
			io.WriteString(in, piece)
			if got := take(t, arrived, len(piece)); got != piece {
				t.Fatalf("the server got %q", got)
			}
			up := time.Since(began)
			began = time.Now()
			say <- piece
			got := make([]byte, len(piece))
			if _, err := io.ReadFull(response.Body, got); err != nil || string(got) != piece {
				t.Fatalf("the client got %q, %v", got, err)
			}
			slowest = max(slowest, up, time.Since(began))
			time.Sleep(time.Millisecond)
		}
		if t.Logf("%q: the slowest of 100 pieces took %v", query, slowest); slowest > soon {
			t.Errorf("a piece took %v", slowest)
		}
	}
}

// take is n bytes of what arrives in pieces.
func take(t *testing.T, arrived <-chan string, n int) (got string) {
	t.Helper()
	for len(got) < n {
		select {
		case piece := <-arrived:
			got += piece
		case <-time.After(5 * time.Second):
			return got
		}
	}
	return got
}

// Each event of a server reaches clients of every version at once, and so does the answer that a long poll has waited for.
func TestEventsAndLongPollsReachClientsAtOnce(t *testing.T) {
	sent := make(chan time.Time, 1)
	at := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/poll" {
			time.Sleep(300 * time.Millisecond)
			sent <- time.Now()
			io.WriteString(w, "news\n")
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 20 {
			sent <- time.Now()
			fmt.Fprintf(w, "data: %d\n\n", i)
			w.(http.Flusher).Flush()
			time.Sleep(10 * time.Millisecond)
		}
	}))
	for _, protocol := range []string{"http1", "h2c"} {
		w := newWorld(t, fmt.Sprintf("pools:\n  app: { servers: [%q], protocol: %s }\nsites:\n  \"*\": app\n", at, protocol))
		one := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: w.roots, ServerName: "localhost"}}
		for name, c := range map[string]*http.Client{"HTTP/1.1": {Transport: one}, "HTTP/2.0": w.http(), "HTTP/3.0": {Transport: w.quic()}} {
			t.Run(name+" to "+protocol, func(t *testing.T) {
				for path, want := range map[string]int{"/events": 20, "/poll": 1} {
					response, err := c.Get("https://localhost:" + port(w.secure) + path)
					if err != nil {
						t.Fatal(err)
					}
					if response.Proto != name {
						t.Errorf("by %s", response.Proto)
					}
					n, slowest := 0, time.Duration(0)
					for lines := bufio.NewScanner(response.Body); lines.Scan(); {
						if lines.Text() != "" {
							slowest = max(slowest, time.Since(<-sent))
							n++
						}
					}
					response.Body.Close()
					if t.Logf("%s: %d, the slowest after %v", path, n, slowest); n != want || slowest > soon {
						t.Errorf("%s: %d of %d, the slowest after %v", path, n, want, slowest)
					}
				}
			})
		}
	}
}
