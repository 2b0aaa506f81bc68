package exchange

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-proxy/weir/traffic/filter"
)

// trailing answers in chunks with trailers: in one piece, or the end a moment later. What it was asked with it tells in its body.
func trailing(c net.Conn) {
	r := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		var got []string
		for name, values := range req.Trailer {
			if values != nil {
				got = append(got, name+"="+strings.Join(values, ","))
			}
		}
		slices.Sort(got)
		text := fmt.Sprintf("%s %v te=%s", body, got, req.Header.Get("TE"))
		head := "HTTP/1.1 200 OK\r\nTrailer: X-Sum, Set-Cookie, X-Mine\r\nConnection: X-Hop\r\nTransfer-Encoding: chunked\r\n\r\n"
		end := "0\r\nX-Sum: 17\r\nSet-Cookie: a=b\r\nServer: secret\r\nX_Sum: 1\r\nX-Hop: 1\r\nContent-Length: 3\r\nX-Mine: 1\r\n\r\n"
		head += fmt.Sprintf("%x\r\n%s\r\n", len(text), text)
		if strings.HasSuffix(req.URL.Path, "late") {
			io.WriteString(c, head)
			time.Sleep(time.Second)
			io.WriteString(c, end)
			continue
		}
		io.WriteString(c, head+end)
	}
}

func TestTrailersPassWhereTheyAreWanted(t *testing.T) {
	inWorld(t, servers(trailing), func(w *world) {
		w.route.RequestHeaders, w.route.ResponseHeaders = filter.NewHeaderEdit(), filter.NewHeaderEdit()
		w.route.RequestHeaders.Remove("X-User")
		w.route.ResponseHeaders.Remove("X-Mine")
		c := w.client()
		ask := func(what, request, body, trailers string) {
			t.Helper()
			if request != "" {
				c.send(request)
			}
			response, err := http.ReadResponse(c.r, nil)
			if err != nil {
				t.Fatal(what, err)
			}
			text, err := io.ReadAll(response.Body)
			var got []string
			for name, values := range response.Trailer {
				got = append(got, name+"="+strings.Join(values, ","))
			}
			slices.Sort(got)
			if string(text) != body || strings.Join(got, " ") != trailers || err != nil {
				t.Errorf("%s: %q with %q (%v), want %q with %q", what, text, got, err, body, trailers)
			}
		}
		for _, path := range []string{"/now", "/late"} {
			ask(path+", asked for", "GET "+path+" HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n", " [] te=trailers", "X-Sum=17")
			ask(path+", not asked for", "GET "+path+" HTTP/1.1\r\nHost: a\r\n\r\n", " [] te=", "")
			ask(path+", HTTP/1.0", "GET "+path+" HTTP/1.0\r\nHost: a\r\nTE: trailers\r\nConnection: keep-alive\r\n\r\n", " [] te=trailers", "")
			if path == "/late" {
				c = w.client() // an HTTP/1.0 client sees the end by the end of its connection
			}
		}
		const head = "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
		const announced = "Trailer: X-Sum, X-User, X-Forwarded-For, Authorization, X-Hop, X-Real-IP\r\nConnection: X-Hop\r\n"
		const end = "0\r\nX-Sum: 9\r\nx-user: root\r\nX-Forwarded-For: 1.2.3.4\r\nAuthorization: x\r\nX-Hop: 1\r\nX-Other: 1\r\n\r\n"
		ask("sent in one piece", head+announced+"\r\n3\r\nabc\r\n"+end, "abc [X-Sum=9] te=", "")
		ask("of an empty body", head+announced+"\r\n"+end, " [X-Sum=9] te=", "")
		ask("not announced", head+"\r\n3\r\nabc\r\n"+end, "abc [] te=", "")
		ask("the next", "GET /now HTTP/1.1\r\nHost: a\r\n\r\n", " [] te=", "")
		c.send(head + announced + "\r\n3\r\nabc\r\n")
		time.Sleep(time.Second)
		c.send("2\r\nde\r\n")
		time.Sleep(time.Second)
		ask("sent in pieces", end, "abcde [X-Sum=9] te=", "")
		c.send(head + announced + "\r\n3\r\nabc\r\n")
		time.Sleep(time.Second)
		ask("with the next behind them", end+"GET /now HTTP/1.1\r\nHost: a\r\n\r\n", "abc [X-Sum=9] te=", "")
		ask("the next", "", " [] te=", "")
	})
}
