package http3

import (
	"io"
	"strings"
	"testing"

	"github.com/quic-go/qpack"

	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/http2"
	"github.com/weir-proxy/weir/wire/message"
)

// decoded is a section as an independent decoder reads it.
func decoded(t *testing.T, block []byte) string {
	t.Helper()
	var b strings.Builder
	for next := qpack.NewDecoder().Decode(block); ; {
		f, err := next()
		if err == io.EOF {
			return b.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(f.Name + ": " + f.Value + "\n")
	}
}

func TestEveryNameOfTheStaticTableIsRight(t *testing.T) {
	for name := range staticNames {
		if got, want := decoded(t, AppendTrailers(nil, []byte(name+": v\r\n"))), name+": v\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for status := range staticStatuses {
		head := "HTTP/1.1 " + string([]byte{'0' + byte(status/100), '0' + byte(status/10%10), '0' + byte(status%10)}) + " X\r\n\r\n"
		if got, want := decoded(t, AppendResponse(nil, []byte(head))), ":status: "+head[9:12]+"\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestHeadsAreWritten(t *testing.T) {
	long := strings.Repeat("X-Long-Name", 30)
	for head, want := range map[string]string{
		"HTTP/1.1 418 I'm a teapot\r\nContent-Type: text/plain\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nX-A:  b \r\n" + long + ": v\r\n\r\nbody": ":status: 418\n" +
			"content-type: text/plain\nx-a: b\n" + strings.ToLower(long) + ": v\n",
		"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nTE: gzip\r\n\r\n": ":status: 200\nset-cookie: a=b\n",
	} {
		if got := decoded(t, AppendResponse(nil, []byte(head))); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for head, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: a.example\r\nCookie: x\r\n\r\n": ":method: GET\n:scheme: https\n:path: /\n:authority: a.example\ncookie: x\n",
		"PATCH /x?y HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n": ":method: PATCH\n:scheme: https\n:path: /x?y\n:authority: a\nte: trailers\n",
	} {
		if got := decoded(t, AppendRequest(nil, []byte(head), http2.Target{Secure: true})); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestVarints(t *testing.T) {
	for _, n := range []uint64{0, 63, 64, 16383, 16384, 1<<30 - 1, 1 << 30, 1<<62 - 1} {
		b := AppendVarint(nil, n)
		if got, size := ParseVarint(b); got != n || size != len(b) {
			t.Errorf("%d: got %d of %d bytes", n, got, size)
		}
		if _, size := ParseVarint(b[:len(b)-1]); size != 0 {
			t.Errorf("%d: a part was taken for the whole", n)
		}
	}
}

func TestSettings(t *testing.T) {
	control := AppendControl(nil, 65536, true)
	kind, length, n := ParseHeader(control[1:])
	s, code := ParseSettings(control[1+n:])
	if control[0] != StreamControl || kind != FrameSettings || int(length) != len(control)-1-n || code != 0 || !s.ExtendedConnect {
		t.Errorf("got %v %v %v %v", kind, length, s, code)
	}
	for text, want := range map[string]Code{"\x02\x00": SettingsError, "\x06\x01\x06\x01": SettingsError, "\x08\x02": SettingsError, "\x06": FrameError,
		"\x40": FrameError, "\x21\x05": 0, "": 0} {
		if _, code := ParseSettings([]byte(text)); code != want {
			t.Errorf("%q: %#x, want %#x", text, code, want)
		}
	}
}

// Whatever a peer sends, what comes of it is a request that HTTP/1.1 has too, or none.
func FuzzDecode(f *testing.F) {
	f.Add(AppendRequest(nil, []byte("GET /a HTTP/1.1\r\nHost: a.example\r\nCookie: x\r\n\r\n"), http2.Target{Secure: true}))
	f.Add(AppendResponse(nil, []byte("HTTP/1.1 200 OK\r\n\r\n")))
	f.Add([]byte{0, 0, 0xd1, 0xd7, 0x50, 1, 'a', 0xc1, 0x23, 'a', '\r', '\n', 1, 'b'})
	f.Fuzz(func(t *testing.T, block []byte) {
		layout := &http2.Layout{}
		layout.StartRequest(&http1.Limits{})
		if Decode(block, layout) != nil {
			return
		}
		var r message.Request
		fault, malformed := layout.Request(&r, true)
		if fault != nil || malformed != "" {
			return
		}
		if lines := strings.Count(string(layout.Buf), "\n"); lines != len(r.List)+2 {
			t.Fatalf("%d lines for %d fields: %q", lines, len(r.List), layout.Buf)
		}
	})
}

func FuzzParseSettings(f *testing.F) {
	f.Add([]byte("\x06\x01\x08\x01"))
	f.Fuzz(func(t *testing.T, b []byte) { ParseSettings(b) })
}
