package http3

import (
	"bytes"
	"strings"
	"testing"

	"github.com/quic-go/qpack"

	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/http2"
)

func laidOut(t *testing.T, block []byte) string {
	t.Helper()
	l := &http2.Layout{}
	l.StartTrailers(&http1.Limits{}, true)
	if err := Decode(block, l); err != nil {
		t.Fatal(err)
	}
	return string(l.Buf)
}

// RFC 9204 section 4.5.4: a field that came with the N bit goes on with it, whatever stands around it.
func TestSecretFieldsStaySecret(t *testing.T) {
	long := strings.Repeat("y", 400)
	lines := "x-secret:  a\r\nx-plain: b\r\netag:  c\r\naccept: */*\r\n" + strings.Repeat("x-long", 40) + ":  v\r\nx-" + long + ": " + long + "\r\nx-last:  " + long + "\r\n"
	if got := laidOut(t, AppendTrailers(nil, []byte(lines))); got != lines {
		t.Errorf("got %q, want %q", got, lines)
	}
	named := "cookie: a\r\nset-cookie: a\r\nauthorization: a\r\nproxy-authorization: a\r\n"
	if got, want := laidOut(t, AppendTrailers(nil, []byte(named))), strings.ReplaceAll(named, ": ", ":  "); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// An encoder that uses codes of Huffman and entries of the static table whole.
func TestFieldsOfAnotherEncoderAreNotSecret(t *testing.T) {
	var b bytes.Buffer
	e := qpack.NewEncoder(&b)
	want := ""
	for _, f := range []qpack.HeaderField{{Name: "accept", Value: "*/*"}, {Name: "etag", Value: "abc"}, {Name: "x-other", Value: strings.Repeat("long value", 50)}, {Name: "vary", Value: "origin"}} {
		e.WriteField(f)
		want += f.Name + ": " + f.Value + "\r\n"
	}
	if got := laidOut(t, b.Bytes()); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The bits themselves (RFC 9204 section 4.5): 01N1 with a name of the static table, 001N without.
func TestTheBitsOfSecretFields(t *testing.T) {
	for line, want := range map[string][]byte{
		"etag:  c\r\n": {0x77, 1, 'c'}, "etag: c\r\n": {0x57, 1, 'c'}, "x:  y\r\n": {0x31, 'x', 1, 'y'}, "x: y\r\n": {0x21, 'x', 1, 'y'},
	} {
		if got := AppendTrailers(nil, []byte(line))[2:]; !bytes.Equal(got, want) {
			t.Errorf("%q: got %x, want %x", line, got, want)
		}
	}
}

// Whatever stands in a section, what looks at it beside the decoder stays within it.
func FuzzSecrets(f *testing.F) {
	f.Add(AppendTrailers(nil, []byte("x-secret:  a\r\netag: b\r\n")))
	f.Add([]byte{0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0, 0, 0x27, 0xff, 0xff, 0xff, 0x7f, 'a'})
	f.Fuzz(func(t *testing.T, block []byte) {
		var s secrets
		s.start(block)
		for len(s.rest) > 0 {
			before := len(s.rest)
			if s.next(); len(s.rest) >= before {
				t.Fatal("it stands still")
			}
		}
		l := &http2.Layout{}
		l.StartTrailers(&http1.Limits{}, true)
		Decode(block, l)
	})
}
