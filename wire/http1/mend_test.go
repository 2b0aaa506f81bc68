package http1

import (
	"testing"

	"github.com/weir-proxy/weir/wire/message"
)

func TestHeadsOfOldDevicesAreMended(t *testing.T) {
	for in, want := range map[string]string{
		"HTTP/1.1 200 OK\nA: b\n\nrest":     "HTTP/1.1 200 OK\r\nA: b\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: b\n\r\nrest": "HTTP/1.1 200 OK\r\nA: b\r\n\r\n",
		"HTTP/1.2 200 OK\r\n\r\n":           "HTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.0 200\n\n":                  "HTTP/1.0 200\r\n\r\n",
		"HTTP/1.1 999 Denied\r\n\r\n":       "HTTP/1.1 999 Denied\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\ncontent-length:5\r\n\r\nhello": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n":                               "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
		// What means more than one thing stays refused.
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n":        "!",
		"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n":                          "!",
		"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nContent-Length: 5\n\n":       "!",
		"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nTransfer-Encoding: gzip\n\n": "!",
		"HTTP/2.0 200 OK\r\n\r\n":                    "!",
		"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n": "!",
		"HTTP/1.1 200 OK\r\nA : b\r\n\r\n":           "!",
		"HTTP/1.1 200 OK\r\nA: b\rC: d\r\n\r\n":      "!",
		"HTTP/1.1 1000 OK\r\n\r\n":                   "!",
		"HTTP/1.1 200 OK\nA: b\n":                    "",
		"HTTP/1.1 200":                               "",
	} {
		out, n := AppendMended(nil, []byte(in))
		got := string(out)
		var r message.Response
		if n == 0 {
			got = ""
		} else if m, fault := ParseTolerantly(out, &r, message.MethodGET, nil); m == 0 || fault != nil {
			got = "!"
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestChunksOfOldDevices(t *testing.T) {
	for in, want := range map[string]string{
		"5  \r\nhello\r\n0\r\n\r\n":        "hello",
		"5\t;x=y\r\nhello\r\n0 \r\n\r\n":   "hello",
		"5\nhello\n0\n\n":                  "hello",
		"5\nhello\r\n0\r\nT: x\n\n":        "hello",
		"5 \r\nhello\r\n0\r\nT: x\r\n\r\n": "hello",
		"5 5\r\nhello\r\n0\r\n\r\n":        "!",
		" 5\r\nhello\r\n0\r\n\r\n":         "!",
		"5\r\nhello0\r\n\r\n":              "!",
		"5 x\r\nhello\r\n0\r\n\r\n":        "!",
	} {
		for _, tolerant := range []bool{true, false} {
			c := Chunked{FromServer: true, Tolerant: tolerant, Collect: true}
			b := []byte(in)
			n, consumed, fault := c.Decode(b)
			got := string(b[:n])
			if fault != nil || !c.IsDone() || consumed != len(in) {
				got = "!"
			}
			if tolerant && got != want || !tolerant && got != "!" {
				t.Errorf("%q, tolerant %v: got %q, want %q", in, tolerant, got, want)
			}
		}
	}
}
