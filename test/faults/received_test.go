package faults

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Each of several requests that come together, or in pieces that end anywhere, is logged with its own bytes.
func TestPipelinedRequestsAreLoggedWithTheirOwnBytes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	s := start(t, strings.ReplaceAll(loggingConfig, "FILE", file))
	requests := []string{"GET /a HTTP/1.1\r\nHost: a\r\n\r\n", "POST /bb HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
		"POST /ccc HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "GET /dddd HTTP/1.1\r\nHost: a\r\n\r\n"}
	var want []string
	for _, pieces := range [][]string{{strings.Join(requests, "")}, {requests[0] + requests[1][:20], requests[1][20:] + requests[2], requests[3]}} {
		c, err := net.Dial("tcp", s.address["FRONT"])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for _, piece := range pieces {
			c.Write([]byte(piece))
			time.Sleep(50 * time.Millisecond)
		}
		for _, r := range requests {
			want = append(want, fmt.Sprint(strings.Fields(r)[1], " ", len(r)))
		}
	}
	var got []string
	within(t, 5*time.Second, "the log to be written", func() bool {
		text, _ := os.ReadFile(file)
		return strings.Count(string(text), "\n") == len(want)
	})
	text, _ := os.ReadFile(file)
	for _, line := range lines(string(text)) {
		var record struct {
			Target   string
			Received int
		}
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(record.Target, " ", record.Received))
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
