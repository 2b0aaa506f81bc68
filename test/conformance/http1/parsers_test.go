package http1

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/weir-proxy/weir/test/peers"
)

// sentinel is sent behind a recorded stream: if it is not understood as it is, bytes before it were left over.
var sentinel = recorded{"GET", "/sentinel", 0}

// compareParsers has Node divide what the recorder received, and wants the same requests that net/http found.
func compareParsers(t *testing.T, recorders []*recorder) {
	t.Helper()
	address, err := startLLHTTP(t)
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, r := range recorders {
		r.mu.Lock()
		streams := slices.Clone(r.streams)
		r.mu.Unlock()
		for _, s := range streams {
			if err := compareStream(address, r, s); err != nil {
				t.Errorf("net/http and llhttp divide a stream differently: %v", err)
			}
			compared++
		}
	}
	if compared == 0 {
		t.Error("nothing reached the server: there is nothing to compare")
	}
}

// startLLHTTP starts the Node program.
func startLLHTTP(t *testing.T) (string, error) {
	source, err := os.ReadFile("testdata/llhttp.js")
	if err != nil {
		return "", err
	}
	address, err := peers.FreeAddress()
	if err != nil {
		return "", err
	}
	p, err := peers.Node(t.TempDir(), string(source), []string{address}, address)
	if err != nil {
		return "", err
	}
	t.Cleanup(func() { p.Stop() })
	return address, nil
}

// compareStream replays one stream. A stream that broke off in the middle of a request is replayed as it is; behind
// a whole one comes the sentinel.
func compareStream(address string, r *recorder, s *stream) error {
	r.mu.Lock()
	raw, want, broken := slices.Clone(s.raw), slices.Clone(s.requests), s.broken
	r.mu.Unlock()
	if last := len(want) - 1; last >= 0 && !want[last].isKnownMethod() {
		raw, want = raw[:bytes.LastIndex(raw, []byte(want[last].Method+" "))], want[:last]
	}
	conn, err := net.DialTimeout("tcp", address, answerPatience)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(answerPatience))
	if broken == nil {
		want = append(want, sentinel)
		raw = append(raw, "GET /sentinel HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"...)
	}
	go func() {
		conn.Write(raw)
		if broken != nil {
			conn.(*net.TCPConn).CloseWrite()
		}
	}()
	return compareRequests(conn, raw, want, broken != nil)
}

// around returns the part of a stream that most likely holds its i-th request: bodies may hold lines that look like the
// first of a request.
func around(raw []byte, i int) []byte {
	lines := regexp.MustCompile(`[A-Z]+ \S+ HTTP/1\.1\r\n`).FindAllIndex(raw, -1)
	at := lines[min(i, len(lines)-1)][0]
	return raw[max(0, at-100):min(len(raw), at+400)]
}

// compareRequests reads Node's answers and compares them one by one. Node answers no request before a broken one
// when it has the end of the connection by then, so that fewer are no divergence there; more always are.
func compareRequests(conn net.Conn, raw []byte, want []recorded, broken bool) error {
	in := bufio.NewReader(conn)
	for i := 0; ; i++ {
		request := &http.Request{Method: "GET"}
		if i < len(want) {
			request.Method = want[i].Method
		}
		response, err := http.ReadResponse(in, request)
		if err == nil && response.StatusCode == http.StatusContinue {
			i--
			continue
		}
		switch {
		case err != nil && (broken || i == len(want)):
			return nil
		case err != nil:
			return fmt.Errorf("llhttp found %d requests of %d (%v) in %.300q", i, len(want), err, raw)
		case broken && response.StatusCode == http.StatusBadRequest:
			return nil
		case i == len(want):
			return fmt.Errorf("llhttp found a request more, %q, in %.300q", response.Header.Get("X-Echo"), raw)
		case response.Header.Get("X-Echo") != want[i].String():
			return fmt.Errorf("llhttp found %q (status %d), net/http %q, in %q",
				response.Header.Get("X-Echo"), response.StatusCode, want[i], around(raw, i))
		}
		response.Body.Close()
	}
}
