package http3

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/qpack"
	quicgo "github.com/quic-go/quic-go"

	wire "github.com/weir-proxy/weir/wire/http3"
)

// rawServer is a server whose every byte is in the hands of the test: answer is called for each request, whose head has come.
type rawServer struct {
	address string
	hello   []byte // of the control stream
	asked   atomic.Int32
	answer  func(c *quicgo.Conn, control *quicgo.SendStream, s *quicgo.Stream, request int)
}

func (e *edge) serveRaw(hello []byte, answer func(c *quicgo.Conn, control *quicgo.SendStream, s *quicgo.Stream, request int)) *rawServer {
	e.t.Helper()
	l, err := quicgo.ListenAddr("127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{e.certificate}, NextProtos: []string{"h3"}}, &quicgo.Config{})
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { l.Close() })
	s := &rawServer{address: l.Addr().(*net.UDPAddr).String(), hello: hello, answer: answer}
	go func() {
		for {
			c, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			go s.run(c)
		}
	}()
	return s
}

var plainHello = append([]byte{wire.StreamControl}, frame(wire.FrameSettings, "")...)

func (s *rawServer) run(c *quicgo.Conn) {
	control, err := c.OpenUniStream()
	if err != nil {
		return
	}
	control.Write(s.hello)
	for {
		stream, err := c.AcceptStream(context.Background())
		if err != nil {
			return
		}
		go func() {
			in := bufio.NewReader(stream)
			for range 2 { // the frame's type and, of a head of this size, a length of four bytes
				head, err := in.Peek(5)
				if err != nil {
					return
				}
				if kind, length, n := wire.ParseHeader(head); n > 0 && kind == wire.FrameHeaders {
					io.CopyN(io.Discard, in, int64(n)+int64(length))
					break
				}
			}
			s.answer(c, control, stream, int(s.asked.Add(1)))
		}()
	}
}

// section encodes fields without any rule.
func section(list ...string) []byte {
	var b bytes.Buffer
	enc := qpack.NewEncoder(&b)
	for i := 0; i < len(list); i += 2 {
		enc.WriteField(qpack.HeaderField{Name: list[i], Value: list[i+1]})
	}
	return frame(wire.FrameHeaders, b.String())
}

func ok(text string) []byte { return append(section(":status", "200"), frame(wire.FrameData, text)...) }

// A server that answers nonsense is a 502 whose reason says what was wrong, and gets no further request on the connection.
func TestHostileServersAreAnswered(t *testing.T) {
	send := func(b []byte) func(*quicgo.Conn, *quicgo.SendStream, *quicgo.Stream) {
		return func(_ *quicgo.Conn, _ *quicgo.SendStream, s *quicgo.Stream) {
			s.Write(b)
			s.Close()
		}
	}
	control := func(b []byte) func(*quicgo.Conn, *quicgo.SendStream, *quicgo.Stream) {
		return func(_ *quicgo.Conn, c *quicgo.SendStream, _ *quicgo.Stream) { c.Write(b) }
	}
	for name, c := range map[string]struct {
		do     func(*quicgo.Conn, *quicgo.SendStream, *quicgo.Stream)
		detail string
	}{
		"no head":                        {send(nil), "message_cut"},
		"half a head":                    {send(wire.AppendHeader(nil, wire.FrameHeaders, 100)), "frame_cut"},
		"no status":                      {send(section("x", "y")), "bad_status"},
		"a bad status":                   {send(section(":status", "0x9")), "bad_status"},
		"switching protocols":            {send(section(":status", "101")), "bad_status"},
		"a line feed in a value":         {send(section(":status", "200", "x", "a\nb: c")), "bad_field_value"},
		"a NUL in a value":               {send(section(":status", "200", "x", "a\x00b")), "bad_field_value"},
		"a line feed in a name":          {send(section(":status", "200", "a\nb", "c")), "bad_field_name"},
		"a name in upper case":           {send(section(":status", "200", "Set-Cookie", "c")), "upper_case_field_name"},
		"connection-specific":            {send(section(":status", "200", "transfer-encoding", "chunked")), "connection_specific_field"},
		"a pseudo-field late":            {send(section("x", "y", ":status", "200")), ""},
		"two lengths":                    {send(section(":status", "200", "content-length", "1", "content-length", "2")), ""},
		"a length and no content":        {send(section(":status", "200", "content-length", "5")), "content_missing"},
		"interim and no more":            {send(section(":status", "103")), ""},
		"endless interim answers":        {send(bytes.Repeat(section(":status", "103"), 100)), ""},
		"a head beyond limits":           {send(wire.AppendHeader(nil, wire.FrameHeaders, 1<<20)), ""},
		"a section beyond limits":        {send(section(append([]string{":status", "200"}, strings.Split(strings.Repeat("x,y,", 2000)+"x,y", ",")...)...)), ""},
		"content first":                  {send(frame(wire.FrameData, "x")), "frame_unexpected"},
		"settings on a request":          {send(frame(wire.FrameSettings, "")), "frame_unexpected"},
		"a push promise":                 {send(frame(wire.FramePushPromise, "\x00\x00\x00")), "frame_unexpected"},
		"a bad section":                  {send(frame(wire.FrameHeaders, "\x02\x00\x80")), "bad_field_section"},
		"a reset":                        {func(_ *quicgo.Conn, _ *quicgo.SendStream, s *quicgo.Stream) { s.CancelWrite(0x102) }, "internal_error"},
		"a reset by a code nobody knows": {func(_ *quicgo.Conn, _ *quicgo.SendStream, s *quicgo.Stream) { s.CancelWrite(0x7e) }, "unknown_error"},
		"the connection's end":           {func(c *quicgo.Conn, _ *quicgo.SendStream, _ *quicgo.Stream) { c.CloseWithError(0x100, "") }, ""},
		"settings twice":                 {control(frame(wire.FrameSettings, "")), ""},
		"GOAWAY of no request":           {control(frame(wire.FrameGoAway, "\x01")), ""},
		"MAX_PUSH_ID":                    {control(frame(wire.FrameMaxPushID, "\x01")), ""},
		"CANCEL_PUSH":                    {control(frame(wire.FrameCancelPush, "\x01")), ""},
		"a flood of control frames": {func(_ *quicgo.Conn, c *quicgo.SendStream, _ *quicgo.Stream) {
			c.Write(bytes.Repeat(frame(0x21, ""), 20_000))
		}, ""},
		"a push stream": {func(c *quicgo.Conn, _ *quicgo.SendStream, _ *quicgo.Stream) {
			if s, err := c.OpenUniStream(); err == nil {
				s.Write([]byte{wire.StreamPush, 0})
			}
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t)
			var hostile atomic.Pointer[quicgo.Conn]
			s := e.serveRaw(plainHello, func(conn *quicgo.Conn, control *quicgo.SendStream, s *quicgo.Stream, request int) {
				if request == 1 {
					hostile.Store(conn)
					c.do(conn, control, s)
					return
				}
				if conn == hostile.Load() && !strings.HasPrefix(name, "a reset") {
					t.Error("the connection was used again")
				}
				s.Write(ok("good"))
				s.Close()
			})
			e.run(trusted+", eject: off, retries: { count: 0 }", s.address)
			answer, err := e.http1.Post(e.url("/"), "text/plain", strings.NewReader("order"))
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			reason, detail := e.reason()
			if answer.StatusCode != 502 || s.asked.Load() != 1 || !strings.HasPrefix(reason, "server.receive.") || !strings.Contains(detail, c.detail) {
				t.Errorf("answered %d after %d attempts: %s: %s", answer.StatusCode, s.asked.Load(), reason, detail)
			}
			if _, body := e.get(e.http1, "/", 200); body != "good" {
				t.Errorf("then %q", body)
			}
		})
	}
}

// Content that is wrong after the head has gone out cannot be a 502: the client sees that it was cut.
func TestContentThatBreaksRulesIsCut(t *testing.T) {
	for name, content := range map[string][]byte{
		"more than the length": frame(wire.FrameData, "abcdefgh"),
		"less than the length": frame(wire.FrameData, "abc"),
		"half a frame":         append(wire.AppendHeader(nil, wire.FrameData, 5), "ab"...),
		"a frame of settings":  frame(wire.FrameSettings, ""),
		"bad trailers":         append(frame(wire.FrameData, "abcde"), section(":status", "200")...),
		"a head after trailers": append(append(frame(wire.FrameData, "abcde"), section("x", "y")...),
			section("x", "y")...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t)
			s := e.serveRaw(plainHello, func(_ *quicgo.Conn, _ *quicgo.SendStream, s *quicgo.Stream, _ int) {
				s.Write(section(":status", "200", "content-length", "5"))
				time.Sleep(100 * time.Millisecond)
				s.Write(content)
				s.Close()
			})
			e.run(trusted, s.address)
			answer, err := e.http2.Get(e.url("/"))
			if err != nil {
				t.Fatal(err)
			}
			if body, err := io.ReadAll(answer.Body); err == nil {
				t.Errorf("%q looks whole", body)
			}
			answer.Body.Close()
		})
	}
}

// A server's connection that ends takes its exchanges along at once, whoever has ended it, and the log says why.
func TestTheEndOfAConnectionToAServerEndsItsExchanges(t *testing.T) {
	for name, c := range map[string]struct {
		does   func(c *quicgo.Conn, control *quicgo.SendStream, s *quicgo.Stream)
		detail string
	}{
		"the server's end": {func(c *quicgo.Conn, _ *quicgo.SendStream, _ *quicgo.Stream) { c.CloseWithError(0x100, "bye") }, "the peer closed the connection: no_error bye"},
		"a flood of empty frames": {func(_ *quicgo.Conn, _ *quicgo.SendStream, s *quicgo.Stream) {
			s.Write(bytes.Repeat(frame(wire.FrameData, ""), 5000))
		}, "the connection was ended: budget_empty"},
		"a flood on the control stream": {func(_ *quicgo.Conn, c *quicgo.SendStream, _ *quicgo.Stream) {
			c.Write(bytes.Repeat(frame(0x21, ""), 20_000))
		}, "the connection was ended: budget_priority"},
		"a rule of the control stream": {func(_ *quicgo.Conn, c *quicgo.SendStream, _ *quicgo.Stream) {
			c.Write(frame(wire.FrameMaxPushID, "\x01"))
		}, "the connection was ended: max_push_id"},
		"the control stream's end": {func(_ *quicgo.Conn, c *quicgo.SendStream, _ *quicgo.Stream) { c.Close() }, "the connection was ended: closed_critical_stream"},
	} {
		for _, hasBegun := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, response begun %v", name, hasBegun), func(t *testing.T) {
				t.Parallel()
				e := newEdge(t)
				s := e.serveRaw(plainHello, func(conn *quicgo.Conn, control *quicgo.SendStream, s *quicgo.Stream, _ int) {
					if hasBegun {
						s.Write(ok("half"))
					} else {
						s.Write(section(":status", "103"))
					}
					time.Sleep(100 * time.Millisecond)
					c.does(conn, control, s)
				})
				e.run(trusted+", eject: off, retries: { count: 0 }", s.address)
				began := time.Now()
				answer, err := e.http2.Get(e.url("/"))
				want := "server.receive.closed"
				if err == nil {
					_, err = io.ReadAll(answer.Body)
					answer.Body.Close()
				}
				if hasBegun {
					want = "server.deliver.closed"
				}
				if took := time.Since(began); hasBegun && err == nil || took > 3*time.Second {
					t.Errorf("ended by %v after %v", err, took)
				}
				if reason, detail := e.reason(); (reason != want || !strings.Contains(detail, c.detail)) && (hasBegun || name != "a flood of empty frames") {
					t.Errorf("%s: %s, want %s: %s", reason, detail, want, c.detail)
				}
			})
		}
	}
}

// What a server streams may be any number of tiny frames.
func TestServersOfHTTP3MayStreamTinyFrames(t *testing.T) {
	const frames = 30_000
	e := newEdge(t)
	s := e.serveRaw(plainHello, func(_ *quicgo.Conn, _ *quicgo.SendStream, s *quicgo.Stream, _ int) {
		s.Write(append(section(":status", "200"), bytes.Repeat(frame(wire.FrameData, "x"), frames)...))
		s.Close()
	})
	e.run(trusted, s.address)
	if _, body := e.get(e.http2, "/", 200); len(body) != frames {
		t.Errorf("%d of %d bytes came", len(body), frames)
	}
}

// A POST that the server has not looked at is sent again: rejected streams, and those above what GOAWAY names.
func TestWhatAServerOfHTTP3HasNotProcessedIsSentAgain(t *testing.T) {
	for name, refuse := range map[string]func(control *quicgo.SendStream, s *quicgo.Stream){
		"rejected": func(_ *quicgo.SendStream, s *quicgo.Stream) {
			s.CancelRead(quicgo.StreamErrorCode(wire.RequestRejected))
			s.CancelWrite(quicgo.StreamErrorCode(wire.RequestRejected))
		},
		"goaway": func(control *quicgo.SendStream, s *quicgo.Stream) {
			id := wire.AppendVarint(nil, uint64(s.StreamID()))
			control.Write(frame(wire.FrameGoAway, string(id)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEdge(t)
			s := e.serveRaw(plainHello, func(_ *quicgo.Conn, control *quicgo.SendStream, s *quicgo.Stream, request int) {
				if request == 1 || request == 3 {
					refuse(control, s)
					return
				}
				s.Write(ok("done"))
				s.Close()
			})
			e.run(trusted, s.address)
			for range 3 {
				answer, err := e.http1.Post(e.url("/"), "text/plain", strings.NewReader("order"))
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(answer.Body)
				answer.Body.Close()
				if answer.StatusCode != 200 || string(body) != "done" {
					t.Errorf("%d %q", answer.StatusCode, body)
				}
			}
			if n := s.asked.Load(); n != 5 {
				t.Errorf("the server was asked %d times for 3 requests, two of which it refused once", n)
			}
		})
	}
}

// Nothing that HTTP/1.1 would read as the end of a line or of a word reaches a server of HTTP/3, whatever a client of HTTP/3 sends; nor what belongs to a connection.
func TestNothingIsInjectedIntoServersOfHTTP3(t *testing.T) {
	e := newEdge(t)
	o := e.serve(100, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/good" {
			t.Errorf("a server saw %s %q %v", r.Method, r.RequestURI, r.Header)
		}
		for _, name := range []string{"Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade", "Te"} {
			if r.Header.Get(name) != "" {
				t.Errorf("a server saw %s: %s", name, r.Header.Get(name))
			}
		}
	}))
	e.run(trusted, o.address)
	conn, err := quicgo.DialAddr(t.Context(), e.front, &tls.Config{RootCAs: e.roots, NextProtos: []string{"h3"}}, &quicgo.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { conn.CloseWithError(0x100, "") }()
	cases := 0
	for _, evil := range []string{"\r", "\n", "\x00", "\r\n", "\r\n\r\n", "\r\nX-A: b", " ", "\t", "\x7f", "\x0b"} {
		for at, fields := range [][]string{
			{":method", "G" + evil + "ET", ":scheme", "https", ":authority", "localhost", ":path", "/bad"},
			{":method", "GET", ":scheme", "https", ":authority", "local" + evil + "host", ":path", "/bad"},
			{":method", "GET", ":scheme", "https", ":authority", "localhost", ":path", "/b" + evil + "ad"},
			{":method", "GET", ":scheme", "https", ":authority", "localhost", ":path", "/bad", "x" + evil + "y", "z"},
			{":method", "GET", ":scheme", "https", ":authority", "localhost", ":path", "/bad", "x", evil + "z"},
			{":method", "GET", ":scheme", "https", ":authority", "localhost", ":path", "/bad", "x", "y" + evil + "z"},
			{":method", "GET", ":scheme", "https", ":authority", "localhost", ":path", "/bad", "connection", "x" + evil},
		} {
			if at == 5 && strings.Trim(evil, " \t") == "" {
				continue // a space within a value is one
			}
			cases++
			if status := exchangeRaw(t, &conn, e, section(fields...)); status != "" && status[0] != '4' {
				t.Errorf("%q is answered %s", fields, status)
			}
		}
	}
	r, _ := http.NewRequest("GET", e.url("/good"), nil)
	for name, value := range map[string]string{"Connection": "x-secret", "Keep-Alive": "timeout=5", "Proxy-Connection": "keep-alive", "X-Secret": "1", "Te": "gzip"} {
		r.Header.Set(name, value)
	}
	answer, err := e.http1.Do(r)
	if err != nil || answer.StatusCode != 200 {
		t.Errorf("afterwards: %v %v", answer, err)
	}
	t.Logf("%d cases", cases)
}

// exchangeRaw sends a head and returns the status that answers it; "" for a reset. A connection that was cut for the many is made anew.
func exchangeRaw(t *testing.T, conn **quicgo.Conn, e *edge, head []byte) string {
	t.Helper()
	s, err := (*conn).OpenStream()
	if err != nil {
		if *conn, err = quicgo.DialAddr(t.Context(), e.front, &tls.Config{RootCAs: e.roots, NextProtos: []string{"h3"}}, &quicgo.Config{}); err != nil {
			t.Fatal(err)
		}
		if s, err = (*conn).OpenStream(); err != nil {
			t.Fatal(err)
		}
	}
	s.Write(head)
	s.Close()
	s.SetReadDeadline(time.Now().Add(5 * time.Second))
	answer, err := io.ReadAll(s)
	if err != nil {
		return ""
	}
	kind, length, n := wire.ParseHeader(answer)
	if kind != wire.FrameHeaders || len(answer) < n+int(length) {
		return fmt.Sprintf("frame %d", kind)
	}
	return statusOf(t, answer[n:n+int(length)])
}

// WebSocket goes to a server of HTTP/3 by extended CONNECT where its settings have it; one that has not is asked by HTTP/1.1 over TCP, which nobody answers here.
func TestWebSocketToServersOfHTTP3(t *testing.T) {
	for name, c := range map[string]struct {
		settings string
		want     int
		reason   string
	}{
		"with extended CONNECT":    {"\x08\x01", 101, ""},
		"without extended CONNECT": {"", 502, "server.connect.refused"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEdge(t)
			hello := append([]byte{wire.StreamControl}, frame(wire.FrameSettings, c.settings)...)
			s := e.serveRaw(hello, func(_ *quicgo.Conn, _ *quicgo.SendStream, s *quicgo.Stream, _ int) {
				s.Write(section(":status", "200"))
				s.Write(frame(wire.FrameData, "server first;"))
				in := bufio.NewReader(s)
				head, _ := in.Peek(2)
				_, length, n := wire.ParseHeader(head)
				in.Discard(n)
				text := make([]byte, length)
				io.ReadFull(in, text)
				s.Write(frame(wire.FrameData, string(text)))
				s.Close()
			})
			e.run(trusted, s.address)
			client, err := tls.Dial("tcp", e.front, &tls.Config{RootCAs: e.roots})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			client.SetDeadline(time.Now().Add(10 * time.Second))
			fmt.Fprint(client, "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
				"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
			in := bufio.NewReader(client)
			answer, err := http.ReadResponse(in, nil)
			if err != nil || answer.StatusCode != c.want {
				t.Fatalf("%v, %v, want %d", answer, err, c.want)
			}
			if c.want != 101 {
				if reason, detail := e.reason(); reason != c.reason {
					t.Errorf("%s: %s", reason, detail)
				}
				return
			}
			if got := answer.Header.Get("Sec-WebSocket-Accept"); got != accept("dGhlIHNhbXBsZSBub25jZQ==") {
				t.Errorf("accepted by %q", got)
			}
			io.WriteString(client, "echo")
			if got, err := io.ReadAll(in); string(got) != "server first;echo" {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}
