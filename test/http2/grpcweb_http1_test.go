package http2

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"
)

// webCall is a call of gRPC-Web and what came of it.
type webCall struct {
	response *http.Response
	messages [][]byte
	trailers string // of the last message
	reused   bool   // the connection had carried another call
}

// callWeb sends one message by HTTP/1.1. A body of unknown length goes in chunks.
func callWeb(t *testing.T, c *http.Client, url string, isText, chunked bool, message []byte) (got webCall) {
	t.Helper()
	kind := "application/grpc-web+proto"
	body := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
	if isText {
		kind = "application/grpc-web-text+proto"
		body = []byte(base64.StdEncoding.EncodeToString(body))
	}
	var sent io.Reader = bytes.NewReader(body)
	if chunked {
		sent = io.MultiReader(bytes.NewReader(body[:len(body)/2]), bytes.NewReader(body[len(body)/2:]))
	}
	r, err := http.NewRequest("POST", url, sent)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	r = r.WithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { got.reused = i.Reused }}))
	if got.response, err = c.Do(r); err != nil {
		t.Fatal(err)
	}
	defer got.response.Body.Close()
	text, err := io.ReadAll(got.response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if isText {
		text = decodeGroups(t, text)
	}
	for len(text) >= 5 {
		n := int(binary.BigEndian.Uint32(text[1:]))
		if n > len(text)-5 {
			t.Fatalf("a message of %d bytes in %d", n, len(text)-5)
		}
		if m := text[5 : 5+n]; text[0]&0x80 != 0 {
			got.trailers = string(m)
		} else {
			got.messages = append(got.messages, m)
		}
		text = text[5+n:]
	}
	if len(text) > 0 || got.response.ProtoMajor != 1 || !strings.HasPrefix(kind, got.response.Header.Get("Content-Type")) {
		t.Errorf("%q is left; %s %v", text, got.response.Proto, got.response.Header)
	}
	return got
}

// field is a field of a protobuf message: bytes, or a number.
func field(number byte, v any) []byte {
	switch v := v.(type) {
	case int:
		return binary.AppendUvarint([]byte{number << 3}, uint64(v))
	case []byte:
		return append(binary.AppendUvarint([]byte{number<<3 | 2}, uint64(len(v))), v...)
	}
	panic("BUG: neither bytes nor a number")
}

// A browser that speaks HTTP/1.1, as behind many a company's proxy, calls a real server of gRPC: with one answer, with many, and with a status that is no success.
func TestGRPCWebByHTTP1ReachesGRPCsOwnServer(t *testing.T) {
	_, address := grpcServer(t)
	w := newWorld(t, fmt.Sprintf("pools:\n  grpc: { servers: [%q], protocol: h2c }\n  down: { servers: [127.0.0.1:1], protocol: h2c }\n"+
		"sites:\n  \"*\": { grpc_web: on, /down: down, /*: grpc }\n", address))
	const service = "/grpc.testing.TestService/"
	for name, base := range map[string]string{"clear": "http://" + w.clear, "tls": "https://localhost:" + port(w.secure)} {
		c := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: w.roots, ServerName: "localhost"}}}
		for i := range 4 {
			isText, chunked := i&1 != 0, i&2 != 0
			t.Run(fmt.Sprintf("%s, text %v, chunks %v", name, isText, chunked), func(t *testing.T) {
				for k, size := range []int{0, 1, 100, 70_000, 1_000_000} {
					payload := bytes.Repeat([]byte("q"), size)
					got := callWeb(t, c, base+service+"UnaryCall", isText, chunked, append(field(2, size), field(3, field(2, payload))...))
					if len(got.messages) != 1 || len(got.messages[0]) < size || len(got.messages[0]) > size+16 || !hasStatus(got.trailers, "0") {
						t.Errorf("%d bytes asked for: %d messages, trailers %q", size, len(got.messages), got.trailers)
					}
					if k > 0 && !got.reused {
						t.Errorf("the connection was not kept after a call of %d bytes", size)
					}
				}
				many := []byte{}
				for _, size := range []int{10, 20_000, 300} {
					many = append(many, field(2, append(field(1, size), field(2, 1000)...))...)
				}
				got := callWeb(t, c, base+service+"StreamingOutputCall", isText, chunked, many)
				if len(got.messages) != 3 || len(got.messages[1]) < 20_000 || !hasStatus(got.trailers, "0") {
					t.Errorf("%d messages streamed, trailers %q", len(got.messages), got.trailers)
				}
				got = callWeb(t, c, base+service+"UnaryCall", isText, chunked, field(7, append(field(1, 9), field(2, []byte("not now"))...)))
				if status := got.trailers + "grpc-status: " + got.response.Header.Get("Grpc-Status") + "\r\n"; !hasStatus(status, "9") {
					t.Errorf("a call that fails with status 9: head %v, trailers %q", got.response.Header, got.trailers)
				}
				got = callWeb(t, c, base+"/down", isText, chunked, nil)
				if got.response.Header.Get("Grpc-Status") != "14" {
					t.Errorf("of a server that is down: %v", got.response.Header)
				}
			})
		}
	}
}

func hasStatus(trailers, code string) bool {
	return strings.Contains(trailers, "grpc-status: "+code+"\r\n")
}

// What follows a call on its connection is the next request, also where it came with the call; a body that is not well framed is a 400 and the end.
func TestCallsOfGRPCWebInARowByHTTP1(t *testing.T) {
	at := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.HasPrefix(r.URL.Path, "/html") {
			http.Error(w, "<p>"+r.URL.Path, 404)
			return
		}
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		fmt.Fprintf(w, "%s %s", r.URL.Path, body)
		w.Header().Set("Grpc-Status", "0")
	}))
	w := newWorld(t, fmt.Sprintf("pools:\n  app: { servers: [%q], protocol: h2c }\nsites:\n  \"*\": { grpc_web: on, /*: app }\n", at))
	conn, err := net.Dial("tcp", w.clear)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const head = "POST %s HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc-web%s\r\n%s\r\n\r\n%s"
	var sent string
	for _, r := range [][4]string{{"/a", "", "Content-Length: 3", "one"}, {"/b", "", "Transfer-Encoding: chunked", "2\r\ntw\r\n1\r\no\r\n0\r\n\r\n"}, {"/c", "-text", "Content-Length: 8", "dGhyZWU="},
		{"/d", "", "Content-Length: 0", ""}, {"/html", "-text", "Content-Length: 4", "Zml2"}, {"/e", "", "Transfer-Encoding: chunked", "4\r\nlast\r\nx\r\n"}} {
		sent += fmt.Sprintf(head, r[0], r[1], r[2], r[3])
	}
	conn.Write([]byte(sent))
	in := bufio.NewReader(conn)
	const end = "\x80\x00\x00\x00\x10grpc-status: 0\r\n"
	for i, want := range []string{"/a one" + end, "/b two" + end, "/c three" + end, "/d " + end, "<p>/html\n", ""} {
		conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		response, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
		body, err := io.ReadAll(response.Body)
		if strings.HasSuffix(response.Header.Get("Content-Type"), "-text") {
			body = decodeGroups(t, body)
		}
		if want == "" && response.StatusCode != 400 || want != "" && string(body) != want || err != nil {
			t.Errorf("answer %d: %s %q, want %q; %v", i, response.Status, body, want, err)
		}
	}
	if _, err := in.ReadByte(); err != io.EOF {
		t.Errorf("after a body that is not well framed: %v", err)
	}
}

// A body that is no base64 is refused, in gRPC's own words, and never reaches the server as a whole one.
func TestGRPCWebTextThatIsNoBase64IsRefused(t *testing.T) {
	type seen struct {
		body string
		err  error
	}
	got := make(chan seen, 100)
	at := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		got <- seen{string(body), err}
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Grpc-Status", "0")
	}))
	w := newWorld(t, fmt.Sprintf("pools: { app: { servers: [%q], protocol: h2c } }\nsites: { \"*\": { /*: { pool: app, grpc_web: on }, /kept: { pool: app, grpc_web: on, buffer: { request: 16KiB } } } }\n", at))
	good := base64.StdEncoding.EncodeToString([]byte("\x00\x00\x00\x00\x03abc"))
	for name, body := range map[string]string{
		"another alphabet": good + "a-_b", "a line end": good + "YW\nJj", "line ends alone": good + "\r\n\r\n", "padding first": good + "=abc", "half a group": good + "YW", "one group, of rubbish": "!!!!", "padding alone": good + "====",
	} {
		for version, c := range w.versions() {
			for _, path := range []string{"/call", "/kept"} {
				for _, inPieces := range []bool{false, true} {
					var sent io.Reader = strings.NewReader(body)
					if inPieces {
						sent = &slowly{pieces: []string{body[:4], body[4:]}}
					}
					r, _ := http.NewRequest("POST", "https://localhost:"+port(w.secure)+path, sent)
					r.Header.Set("Content-Type", "application/grpc-web-text")
					response, err := c.Do(r)
					if err != nil {
						t.Errorf("%s, %s %s, in pieces %v: %v", name, version, path, inPieces, err)
						continue
					}
					response.Body.Close()
					if status, said := response.Header.Get("Grpc-Status"), response.Header.Get("Grpc-Message"); status != "13" || !strings.Contains(said, "bad_base64") {
						t.Errorf("%s, %s %s, in pieces %v: grpc-status %q: %q", name, version, path, inPieces, status, said)
					}
				}
			}
		}
	}
	for {
		select {
		case s := <-got:
			if s.err == nil {
				t.Errorf("%q reached the server as a whole body", s.body)
			}
		default:
			return
		}
	}
}

// slowly is content that comes in pieces.
type slowly struct {
	pieces []string
	begun  bool
}

func (s *slowly) Read(p []byte) (int, error) {
	if len(s.pieces) == 0 {
		return 0, io.EOF
	}
	if s.begun {
		time.Sleep(30 * time.Millisecond)
	}
	s.begun = true
	n := copy(p, s.pieces[0])
	s.pieces = s.pieces[1:]
	return n, nil
}
