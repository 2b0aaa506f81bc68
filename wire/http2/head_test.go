package http2

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"

	"github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/message"
)

// fields is a header section as "name: value" lines; a pseudo-header field's name begins with a colon of its own.
func fields(l *Layout, section ...string) {
	for _, f := range section {
		at := strings.Index(f[1:], ": ") + 1
		l.Field(f[:at], f[at+2:])
	}
}

func layRequest(ended bool, section ...string) (*Layout, *message.Request, *http1.Fault, string) {
	l, r := &Layout{}, &message.Request{}
	l.StartRequest(nil)
	fields(l, section...)
	fault, malformed := l.Request(r, ended)
	return l, r, fault, malformed
}

var get = []string{":method: GET", ":scheme: https", ":authority: example.com", ":path: /a?b=c"}

func TestOnlyTheSchemesOfHTTPAreTaken(t *testing.T) {
	for scheme, want := range map[string]string{"http": "", "https": "", "HTTPS": "", "": "bad_scheme", "ftp": "bad_scheme", "http ": "bad_scheme", "javascript": "bad_scheme"} {
		if _, _, _, malformed := layRequest(true, ":method: GET", ":scheme: "+scheme, ":authority: a", ":path: /"); malformed != want {
			t.Errorf("%q: %q, want %q", scheme, malformed, want)
		}
	}
}

func TestResponsesWithoutContentHaveNone(t *testing.T) {
	for _, c := range []struct {
		method  message.Method
		section []string
		want    int64
	}{
		{message.MethodGET, []string{":status: 200"}, -1},
		{message.MethodGET, []string{":status: 200", "content-length: 0"}, 0},
		{message.MethodGET, []string{":status: 200", "content-length: 5"}, 5},
		{message.MethodHEAD, []string{":status: 200", "content-length: 5"}, 0},
		{message.MethodGET, []string{":status: 304", "content-length: 5"}, 0},
		{message.MethodGET, []string{":status: 204"}, 0},
	} {
		l, r := &Layout{}, &message.Response{}
		l.StartResponse(nil)
		fields(l, c.section...)
		if malformed := l.Response(r, c.method); malformed != "" {
			t.Fatal(malformed)
		}
		if length, malformed := FrameResponse(r, c.method, false); length != c.want || malformed != "" {
			t.Errorf("%v %q: content of %d, want %d; %s", c.method, c.section, length, c.want, malformed)
		}
	}
}

func TestARequestIsLaidOutAsHTTP1HasIt(t *testing.T) {
	for _, c := range []struct {
		name    string
		section []string
		want    string
	}{
		{"plain", append(get[:4:4], "accept: */*"), "GET /a?b=c HTTP/1.1\r\nhost: example.com\r\naccept: */*\r\n\r\n"},
		{"host in place of authority", []string{":method: GET", ":scheme: http", ":path: /", "host: h.example"}, "GET / HTTP/1.1\r\nhost: h.example\r\n\r\n"},
		{"host beside authority", append(get[:4:4], "host: EXAMPLE.com", "x: y"), "GET /a?b=c HTTP/1.1\r\nhost: example.com\r\nx: y\r\n\r\n"},
		{"crumbs of a cookie", append(get[:4:4], "cookie: a=b", "x: y", "cookie: c=d", "cookie: e=f"),
			"GET /a?b=c HTTP/1.1\r\nhost: example.com\r\nx: y\r\ncookie: a=b; c=d; e=f\r\n\r\n"},
		{"empty value", append(get[:4:4], "x: "), "GET /a?b=c HTTP/1.1\r\nhost: example.com\r\nx: \r\n\r\n"},
		{"te", append(get[:4:4], "te: trailers"), "GET /a?b=c HTTP/1.1\r\nhost: example.com\r\nte: trailers\r\n\r\n"},
		{"options", []string{":method: OPTIONS", ":scheme: http", ":path: *", ":authority: a"}, "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n"},
		{"websocket", []string{":method: CONNECT", ":protocol: websocket", ":scheme: https", ":path: /chat", ":authority: a", "sec-websocket-version: 13"},
			"GET /chat HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\r\n"},
	} {
		l, r, fault, malformed := layRequest(true, c.section...)
		if fault != nil || malformed != "" {
			t.Errorf("%s: %v %s", c.name, fault, malformed)
			continue
		}
		if string(l.Buf) != c.want {
			t.Errorf("%s:\n%q, want\n%q", c.name, l.Buf, c.want)
		}
		sameAsParsed(t, l.Buf, r)
	}
}

// sameAsParsed holds what the layout has filled in against what the parser of HTTP/1.1 makes of the same bytes.
func sameAsParsed(t *testing.T, head []byte, r *message.Request) {
	t.Helper()
	var p message.Request
	n, fault := http1.ParseRequest(head, &p, nil)
	if fault != nil || n != len(head) {
		t.Fatalf("http1 reads %q as %v, %d bytes of %d", head, fault, n, len(head))
	}
	p.Major = r.Major
	if r.Framing == message.FramingUntilClose || r.Upgrade {
		p.Framing = r.Framing
	}
	if got, want := describe(r), describe(&p); got != want {
		t.Errorf("%q is laid out as\n%s, and parsed as\n%s", head, got, want)
	}
}

func describe(r *message.Request) string {
	b := fmt.Sprintf("%v %v %v %v %v %v %v %v %v %v %v %v %v %v\n", r.Method, r.MethodName, r.Target, r.Path, r.Query, r.Authority, r.HasQuery, r.Expect, r.Trailers,
		r.Framing, r.Length, r.FieldsAt, r.Raw, r.Upgrade)
	for _, f := range r.List {
		b += fmt.Sprintf("%v %v %v %v\n", f.Name, f.Value, f.Line, f.ID)
	}
	return b
}

func TestMalformedRequestsAreReset(t *testing.T) {
	with := func(f ...string) []string { return append(get[:4:4], f...) }
	for _, c := range []struct {
		section []string
		want    string
	}{
		{with("Accept: x"), "upper_case_field_name"},
		{with("a b: x"), "bad_field_name"},
		{with("a\r\nb: x"), "bad_field_name"},
		{with("a:b: x"), "bad_field_name"},
		{with("a: x\r\nb: y"), "bad_field_value"},
		{with("a: x\ny"), "bad_field_value"},
		{with("a: x\x00y"), "bad_field_value"},
		{with("a:  x"), "bad_field_value"},
		{with("a: x "), "bad_field_value"},
		{with("connection: close"), "connection_specific_field"},
		{with("keep-alive: x"), "connection_specific_field"},
		{with("proxy-connection: x"), "connection_specific_field"},
		{with("transfer-encoding: chunked"), "connection_specific_field"},
		{with("upgrade: h2c"), "connection_specific_field"},
		{with("te: gzip"), "connection_specific_field"},
		{with(":path: /"), "pseudo_field_twice"},
		{with("a: b", ":path: /"), "pseudo_field_after_fields"},
		{with(":status: 200"), "pseudo_field_in_wrong_message"},
		{with(":other: 1"), "unknown_pseudo_field"},
		{with("content-length: x"), "bad_content_length"},
		{with("content-length: 1", "content-length: 1"), "content_length_twice"},
		{[]string{":method: GET", ":path: /", ":authority: a"}, "pseudo_field_missing"},
		{[]string{":method: GET", ":scheme: http", ":authority: a"}, "pseudo_field_missing"},
		{[]string{":scheme: http", ":path: /", ":authority: a"}, "pseudo_field_missing"},
		{[]string{":method: GET", ":scheme: http", ":authority: a", ":path: "}, "pseudo_field_missing"},
		{[]string{":method: GET", ":scheme: http", ":authority: a", ":path: a"}, "bad_path"},
		{[]string{":method: GET", ":scheme: http", ":authority: a", ":path: *"}, "bad_path"},
		{[]string{":method: GET", ":scheme: http", ":authority: a", ":path: / HTTP/1.1\r\nx: y\r\n"}, "bad_pseudo_field"},
		{[]string{":method: GET", ":scheme: http", ":authority: a", ":path: /a b"}, "bad_pseudo_field"},
		{[]string{":method: GET", ":scheme: http", ":authority: a", ":path: /a#b"}, "bad_pseudo_field"},
		{[]string{":method: GET /x", ":scheme: http", ":authority: a", ":path: /"}, "bad_pseudo_field"},
		{[]string{":method: GET\n", ":scheme: http", ":authority: a", ":path: /"}, "bad_pseudo_field"},
		{[]string{":method: GET", ":scheme: http", ":authority: a\r\nx: y", ":path: /"}, "bad_field_value"},
		{[]string{":method: CONNECT", ":scheme: http", ":authority: a:1", ":path: /"}, "bad_connect"},
		{[]string{":method: GET", ":protocol: websocket", ":scheme: http", ":authority: a", ":path: /"}, "bad_connect"},
	} {
		if _, _, fault, malformed := layRequest(true, c.section...); malformed != c.want {
			t.Errorf("%q: malformed %q, fault %v; want %q", c.section, malformed, fault, c.want)
		}
	}
}

func TestFaultsAreAnswered(t *testing.T) {
	many := get[:4:4]
	for range message.MaxFields {
		many = append(many, "a: b")
	}
	for _, c := range []struct {
		section []string
		want    *http1.Fault
	}{
		{append(get[:4:4], "host: other.example"), http1.FaultHostDiffers},
		{append(get[:4:4], "x_forwarded_for: 1"), http1.FaultAlias},
		{append(get[:4:4], "a: "+strings.Repeat("x", http1.DefaultHead)), http1.FaultHeadSize},
		{many, http1.FaultFieldCount},
		{[]string{":method: GET", ":scheme: http", ":authority: a", ":path: /" + strings.Repeat("x", http1.DefaultTarget)}, http1.FaultTargetLength},
		{[]string{":method: GET", ":scheme: http", ":authority: a@b", ":path: /"}, http1.FaultHost},
		{[]string{":method: GET", ":scheme: http", ":path: /"}, http1.FaultHostMissing},
		{[]string{":method: CONNECT", ":authority: a:443"}, http1.FaultConnectMethod},
		{[]string{":method: CONNECT", ":protocol: connect-udp", ":scheme: https", ":authority: a", ":path: /"}, FaultProtocol},
	} {
		if _, _, fault, malformed := layRequest(true, c.section...); fault != c.want || malformed != "" {
			t.Errorf("%.80q: fault %v, malformed %q; want %v", c.section, fault, malformed, c.want)
		}
	}
}

func TestEmptyFieldsAreNotFree(t *testing.T) {
	l := &Layout{}
	l.StartRequest(&http1.Limits{Head: 3200})
	for range 101 {
		l.Field("", "")
	}
	if !l.IsTooLarge() && l.malformed == "" {
		t.Error("a hundred empty fields are let pass")
	}
}

func TestAResponseIsLaidOutAsHTTP1HasIt(t *testing.T) {
	l, r := &Layout{}, &message.Response{}
	l.StartResponse(nil)
	fields(l, ":status: 404", "content-length: 5", "server: x")
	if malformed := l.Response(r, message.MethodGET); malformed != "" {
		t.Fatal(malformed)
	}
	if want := "HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\nserver: x\r\n\r\n"; string(l.Buf) != want {
		t.Errorf("%q", l.Buf)
	}
	if r.Status != 404 || r.Framing != message.FramingLength || r.Length != 5 || string(r.Reason.Of(r.Buf)) != "Not Found" {
		t.Errorf("%+v", r)
	}
	for _, section := range [][]string{{":status: 99"}, {":status: 600"}, {":status: 101"}, {":status: 2000"}, {"a: b"}, {":status: 200", ":path: /"},
		{":status: 200", "connection: close"}, {":status: 200", "a: \n"}} {
		l.StartResponse(nil)
		fields(l, section...)
		if malformed := l.Response(r, message.MethodGET); malformed == "" {
			t.Errorf("%q passes", section)
		}
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	head := "HTTP/1.1 207 Multi\r\nServer: weir\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nSet-Cookie: a=b\r\nX-" + strings.Repeat("long-", 30) +
		": v\r\nContent-Type:  text/plain \r\nX: " + strings.Repeat("y", 300) + "\r\n\r\nbody"
	got := decoded(t, AppendResponse(nil, []byte(head)))
	want := []string{":status: 207", "server: weir", "set-cookie: a=b", "x-" + strings.Repeat("long-", 30) + ": v", "content-type: text/plain", "x: " + strings.Repeat("y", 300)}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("%q", got)
	}
	got = decoded(t, AppendRequest(nil, []byte("PUT /a?b HTTP/1.1\r\nHost: h.example:8080\r\nTE: trailers\r\nConnection: TE\r\nCookie: x\r\n\r\n"), Target{Secure: true}))
	want = []string{":method: PUT", ":scheme: https", ":path: /a?b", ":authority: h.example:8080", "te: trailers", "cookie: x"}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("%q", got)
	}
	got = decoded(t, AppendRequest(nil, []byte("GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"), Target{Protocol: "websocket"}))
	want = []string{":method: CONNECT", ":scheme: http", ":path: /", ":authority: h", ":protocol: websocket"}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("%q", got)
	}
}

func decoded(t *testing.T, block []byte) (list []string) {
	t.Helper()
	all, err := hpack.NewDecoder(4096, nil).DecodeFull(append([]byte{NoTable}, block...))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		list = append(list, f.Name+": "+f.Value)
	}
	return list
}

// FuzzRequestHead: whatever comes out of HPACK, a head that is let pass is one that HTTP/1.1's parser reads as the same request.
func FuzzRequestHead(f *testing.F) {
	f.Add([]byte(":method\x00GET\x00:scheme\x00http\x00:path\x00/\x00:authority\x00a\x00cookie\x00a\x00cookie\x00b\x00x\x00y"))
	f.Add([]byte(":method\x00CONNECT\x00:protocol\x00websocket\x00:scheme\x00http\x00:path\x00/\x00:authority\x00a"))
	f.Add([]byte(":method\x00GET\x00:scheme\x00http\x00:path\x00/ HTTP/1.1\r\n\x00:authority\x00a"))
	f.Add([]byte(":method\x00POST\x00:scheme\x00http\x00:path\x00/?\x00host\x00b\x00content-length\x005\x00te\x00trailers"))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, r := &Layout{}, &message.Request{}
		l.StartRequest(nil)
		parts := bytes.Split(data, []byte{0})
		for i := 0; i+1 < len(parts); i += 2 {
			l.Field(string(parts[i]), string(parts[i+1]))
		}
		if fault, malformed := l.Request(r, len(data)%2 == 0); fault != nil || malformed != "" {
			return
		}
		sameAsParsed(t, l.Buf, r)
	})
}
