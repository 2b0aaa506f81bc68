package http1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/weir-proxy/weir/wire/message"
)

var requestSeeds = []string{
	"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
	"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
	"POST /x?y=1 HTTP/1.1\r\nHost: a.example:80\r\nContent-Length: 5\r\nConnection: close, x\r\n\r\nhello",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n0\r\n\r\n",
	"GET http://a/b?c HTTP/1.1\r\nHost: a\r\n\r\n",
	"OPTIONS * HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
	"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nX: \x80\xff\t y \r\n\r\n",
	"GET / HTTP/1.1\nHost: a\n\n",
	"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
	"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 1\r\n\r\n",
}

// FuzzRequestHead: what is accepted must mean the same to the standard library, and whoever parses a part of it must ask for more or
// refuse, never see another request.
func FuzzRequestHead(f *testing.F) {
	for _, s := range requestSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var r message.Request
		n, fault := ParseRequest(in, &r, nil)
		if fault != nil || n == 0 {
			return
		}
		head := in[:n]
		var again message.Request
		for cut := range n {
			if m, fault := ParseRequest(in[:cut], &again, nil); m != 0 {
				t.Fatalf("%q: the first %d bytes are taken for a whole head (%v)", head, cut, fault)
			}
		}
		std, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(bytes.TrimPrefix(head, []byte("\r\n")))))
		if err != nil {
			if refusesMore(err) {
				return
			}
			t.Fatalf("%q: accepted here, refused by net/http: %v", head, err)
		}
		if got := string(r.MethodName.Of(r.Buf)); got != std.Method {
			t.Fatalf("%q: method %q, net/http says %q", head, got, std.Method)
		}
		want := int64(0)
		switch r.Framing {
		case message.FramingLength:
			want = r.Length
		case message.FramingChunked:
			want = -1
		}
		if std.ContentLength != want {
			t.Fatalf("%q: body %d, net/http says %d", head, want, std.ContentLength)
		}
	})
}

// refusesMore: net/http also parses the target as a URL, whose host it checks more closely than a reverse proxy needs to.
func refusesMore(err error) bool {
	var url *url.Error
	return errors.As(err, &url)
}

func FuzzResponseHead(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.0 302 Found\r\nLocation: /\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\n",
		"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
		"HTTP/2 200\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var r message.Response
		n, fault := ParseResponse(in, &r, message.MethodGET, nil)
		if fault != nil || n == 0 {
			return
		}
		var again message.Response
		for cut := range n {
			if m, _ := ParseResponse(in[:cut], &again, message.MethodGET, nil); m != 0 {
				t.Fatalf("%q: the first %d bytes are taken for a whole head", in[:n], cut)
			}
		}
		std, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(in[:n])), nil)
		if err != nil {
			return
		}
		if std.StatusCode != r.Status {
			t.Fatalf("%q: status %d, net/http says %d", in[:n], r.Status, std.StatusCode)
		}
		if r.Framing == message.FramingLength && std.ContentLength != r.Length {
			t.Fatalf("%q: length %d, net/http says %d", in[:n], r.Length, std.ContentLength)
		}
	})
}

// FuzzChunked: whatever is accepted decodes to the same bytes in one piece and byte by byte, and to what the standard library
// reads; what is encoded anew decodes to the same.
func FuzzChunked(f *testing.F) {
	for _, s := range []string{
		"5\r\nhello\r\n0\r\n\r\n",
		"5;a=b;c=\"d\\\"e\"\r\nhello\r\n0;x\r\nTrailer: v\r\n\r\nrest",
		"00005\r\nhello\r\n0\r\n\r\n",
		"1\r\nx\r\n1\r\ny\r\n0\r\n\r\n",
		"5\nhello\n0\n\n",
		"ffffffffffffffff\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		whole := bytes.Clone(in)
		var c Chunked
		n, consumed, fault := c.Decode(whole)
		var steps Chunked
		var data []byte
		var stepFault *Fault
		at := 0
		for at < len(in) && stepFault == nil && !steps.IsDone() {
			one := []byte{in[at]}
			var k int
			k, _, stepFault = steps.Decode(one)
			data = append(data, one[:k]...)
			at++
		}
		if (fault == nil) != (stepFault == nil) || c.IsDone() != steps.IsDone() {
			t.Fatalf("%q: in one piece %v, byte by byte %v", in, fault, stepFault)
		}
		if fault != nil || !c.IsDone() {
			return
		}
		if consumed != at || !bytes.Equal(data, whole[:n]) {
			t.Fatalf("%q: in one piece %q (%d), byte by byte %q (%d)", in, whole[:n], consumed, data, at)
		}
		wire := "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + string(in[:consumed])
		std, err := http.ReadRequest(bufio.NewReader(strings.NewReader(wire)))
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(std.Body); err == nil && !bytes.Equal(body, data) {
			t.Fatalf("%q: %q, net/http reads %q", in, data, body)
		}
	})
}
