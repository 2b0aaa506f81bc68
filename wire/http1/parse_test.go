package http1

import (
	"strings"
	"testing"

	"github.com/weir-proxy/weir/wire/message"
)

func TestRequestHeadIsReadToItsParts(t *testing.T) {
	in := "POST /a/b?c=d HTTP/1.1\r\nHost: Example.COM:8080\r\nContent-Length: 5\r\nX-A:  b c \r\n\r\nhello"
	var r message.Request
	n, fault := ParseRequest([]byte(in), &r, nil)
	if fault != nil || in[n:] != "hello" {
		t.Fatalf("got %d, %v", n, fault)
	}
	for what, pair := range map[string][2]string{
		"method":    {string(r.MethodName.Of(r.Buf)), "POST"},
		"path":      {string(r.Path.Of(r.Buf)), "/a/b"},
		"query":     {string(r.Query.Of(r.Buf)), "c=d"},
		"authority": {string(r.Authority.Of(r.Buf)), "Example.COM:8080"},
		"field":     {string(r.Lookup("x-a")), "b c"},
		"fields":    {string(r.FieldsAt.Of(r.Buf)), "Host: Example.COM:8080\r\nContent-Length: 5\r\nX-A:  b c \r\n"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: got %q, want %q", what, pair[0], pair[1])
		}
	}
	if r.Framing != message.FramingLength || r.Length != 5 || !r.KeepAlive || r.Method != message.MethodPOST {
		t.Errorf("got framing %v, length %d, keep-alive %v", r.Framing, r.Length, r.KeepAlive)
	}
}

// RFC 9112 section 3.2.2: "the origin server MUST ignore the received Host header field (if any)"; section 3.2: "A server MUST respond with a 400 … to any request message that
// lacks a Host header field and to any request message that contains more than one Host header field line or a Host header field with an invalid field value."
func TestAnAbsoluteTargetNamesTheHost(t *testing.T) {
	for in, want := range map[string]string{
		"GET http://b/x HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n":     "b",
		"GET https://b:81 HTTP/1.1\r\nX: y\r\nHost: b\r\n\r\n":   "b:81",
		"GET http://B?q HTTP/1.0\r\nHost: c.d:9\r\nX: y\r\n\r\n": "B",
	} {
		var r message.Request
		if _, fault := ParseRequest([]byte(in), &r, nil); fault != nil {
			t.Errorf("%q: %v", in, fault)
			continue
		}
		if got := string(r.Authority.Of(r.Buf)); got != want {
			t.Errorf("%q is for %q, want %q", in, got, want)
		}
		for _, f := range r.List {
			if got := string(f.Value.Of(r.Buf)); f.ID == message.FieldHost && got != want {
				t.Errorf("%q: Host is %q, want %q", in, got, want)
			}
		}
	}
	for in, want := range map[string]*Fault{
		"GET http://b/ HTTP/1.1\r\n\r\n":                       FaultHostMissing,
		"GET http://b/ HTTP/1.1\r\nHost: b\r\nHost: b\r\n\r\n": FaultHostTwice,
		"GET http://b/ HTTP/1.1\r\nHost: a/b\r\n\r\n":          FaultHost,
	} {
		var r message.Request
		if _, fault := ParseRequest([]byte(in), &r, nil); fault != want {
			t.Errorf("%q: %v, want %v", in, fault, want)
		}
	}
}

func TestFaultsHaveNames(t *testing.T) {
	const host = "Host: a\r\n"
	for in, want := range map[string]*Fault{
		"GET / HTTP/1.1\r\n\r\n":                                                                FaultHostMissing,
		"GET / HTTP/1.1\r\n" + host + host + "\r\n":                                             FaultHostTwice,
		"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n":                                                   FaultHost,
		"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n":                                                   FaultHost,
		"GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n":                                               FaultHost,
		"GET  / HTTP/1.1\r\n" + host + "\r\n":                                                   FaultTarget,
		"GET / HTTP/1.1 \r\n" + host + "\r\n":                                                   FaultLineEnd,
		"GET / HTTP/2.0\r\n" + host + "\r\n":                                                    FaultVersion,
		"GET / HTTP/1.1\n" + host + "\r\n":                                                      FaultLineEnd,
		"GET /\x00 HTTP/1.1\r\n" + host + "\r\n":                                                FaultTarget,
		"GET /#a HTTP/1.1\r\n" + host + "\r\n":                                                  FaultTarget,
		"GET /\\a HTTP/1.1\r\n" + host + "\r\n":                                                 FaultPath,
		"GET * HTTP/1.1\r\n" + host + "\r\n":                                                    FaultTarget,
		"CONNECT a:80 HTTP/1.1\r\n" + host + "\r\n":                                             FaultConnectMethod,
		"GET / HTTP/1.1\r\n" + host + "A : b\r\n\r\n":                                           FaultFieldName,
		"GET / HTTP/1.1\r\n" + host + ": b\r\n\r\n":                                             FaultFieldName,
		"GET / HTTP/1.1\r\n" + host + "A: b\rc\r\n\r\n":                                         FaultLineEnd,
		"GET / HTTP/1.1\r\n" + host + "A: b\x00\r\n\r\n":                                        FaultFieldValue,
		"GET / HTTP/1.1\r\n" + host + " A: b\r\n\r\n":                                           FaultFold,
		"GET / HTTP/1.1\r\n" + host + "Content-Length: +1\r\n\r\n":                              FaultLength,
		"GET / HTTP/1.1\r\n" + host + "Content-Length: 1,1\r\n\r\n":                             FaultLength,
		"GET / HTTP/1.1\r\n" + host + "Content-Length: \r\n\r\n":                                FaultLength,
		"GET / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip\r\n\r\n":                         FaultTEUnknown,
		"GET / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked, chunked\r\n\r\n":             FaultTE,
		"GET / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n": FaultLengthAndTE,
		"GET / HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n":                      FaultTEVersion,
		"GET / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 1\r\n\r\n":          FaultLengthTwice,
		"GET / HTTP/1.1\r\n" + host + "Expect: 200-ok\r\n\r\n":                                  FaultExpect,
		"GET / HTTP/1.1\r\n" + host + "X_Forwarded_For: 1\r\n\r\n":                              FaultAlias,
		"GET / HTTP/1.1\r\n" + host + "content_length: 1\r\n\r\n":                               FaultAlias,
		"GET / HTTP/1.1\r\n" + host + strings.Repeat("A: b\r\n", 128) + "\r\n":                  FaultFieldCount,
		"GET /" + strings.Repeat("a", 17000) + " HTTP/1.1\r\n" + host + "\r\n":                  FaultTargetLength,
		"GET / HTTP/1.1\r\n" + host + "A: " + strings.Repeat("a", 66000) + "\r\n\r\n":           FaultHeadSize,
	} {
		var r message.Request
		n, fault := ParseRequest([]byte(in), &r, nil)
		if fault != want {
			if len(in) > 200 {
				in = in[:200] + "…"
			}
			t.Errorf("%q: got %d, %v, want %v", in, n, fault, want)
		}
	}
}

func TestParsingAllocatesNothing(t *testing.T) {
	in := []byte(requestSeeds[2])
	var r message.Request
	r.List = make([]message.Field, 0, message.MaxFields)
	if n := testing.AllocsPerRun(100, func() { ParseRequest(in, &r, nil) }); n != 0 {
		t.Errorf("a request costs %v allocations", n)
	}
}

func BenchmarkParseRequest(b *testing.B) {
	in := []byte("GET /index.html?a=b HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\n" +
		"Accept: text/html,application/xhtml+xml\r\nAccept-Language: en-US,en;q=0.9\r\nAccept-Encoding: gzip, deflate, br\r\n" +
		"Cookie: session=0123456789abcdef; theme=dark\r\nReferer: https://www.example.com/\r\nConnection: keep-alive\r\n\r\n")
	var r message.Request
	r.List = make([]message.Field, 0, message.MaxFields)
	b.ReportAllocs()
	for b.Loop() {
		ParseRequest(in, &r, nil)
	}
}
