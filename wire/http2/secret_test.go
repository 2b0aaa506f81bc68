package http2

import (
	"testing"

	"golang.org/x/net/http2/hpack"

	"github.com/weir-proxy/weir/wire/http1"
)

// What a layout has made of a field that is never to be indexed is written as such, and to HTTP/1.1 is a line like another.
func TestSecretFieldsStaySecret(t *testing.T) {
	l := &Layout{}
	l.StartResponse(&http1.Limits{})
	l.Field(":status", "200")
	l.SecretField("x-secret", "a")
	l.Field("x-plain", "b")
	l.SecretField("etag", "c")
	l.SecretField("x-empty", "")
	l.Field("x-none", "")
	l.end()
	if want := "HTTP/1.1 200 OK\r\nx-secret:  a\r\nx-plain: b\r\netag:  c\r\nx-empty:  \r\nx-none: \r\n"; string(l.Buf) != want {
		t.Errorf("laid out as %q", l.Buf)
	}
	for i, want := range []string{"a", "b", "c", "", ""} {
		if got := string(l.list[i].Value.Of(l.Buf)); got != want {
			t.Errorf("field %d is %q, want %q", i, got, want)
		}
	}
	all, err := hpack.NewDecoder(4096, nil).DecodeFull(AppendResponse([]byte{NoTable}, append(l.Buf, "Cookie: x\r\nSet-Cookie: y\r\nAuthorization: z\r\nProxy-Authorization: z\r\na:\r\n\r\n"...)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		want := f.Name != ":status" && f.Name != "x-plain" && f.Name != "x-none" && f.Name != "a"
		if f.Sensitive != want {
			t.Errorf("%v", f)
		}
	}
}

// The host that :authority stands for is no secret because the first field is one.
func TestASecretFieldDoesNotMarkTheHost(t *testing.T) {
	l := &Layout{}
	l.StartRequest(&http1.Limits{})
	fields(l, ":method: GET", ":scheme: https", ":path: /", ":authority: h")
	l.SecretField("x", "y")
	l.end()
	if want := "GET / HTTP/1.1\r\nhost: h\r\nx:  y\r\n"; string(l.Buf) != want {
		t.Errorf("%q", l.Buf)
	}
}
