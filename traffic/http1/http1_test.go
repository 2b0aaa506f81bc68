package http1

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-proxy/weir/engine"
	"github.com/weir-proxy/weir/test/memory"
	wire "github.com/weir-proxy/weir/wire/http1"
	"github.com/weir-proxy/weir/wire/http2"
	"github.com/weir-proxy/weir/wire/message"
)

// handler is a function in the place of what serves a connection.
type handler func(c engine.Conn)

func (h handler) Serve(c engine.Conn) { h(c) }

// on runs do on weir's end of a connection in fake time, and gives the other end to far.
func on(t *testing.T, do func(c engine.Conn), far func(c net.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		e, err := engine.New(engine.Config{Loops: 1, Portable: true, Log: t.Logf})
		if err != nil {
			t.Fatal(err)
		}
		ours, theirs := memory.NewConn()
		done := make(chan struct{})
		e.ServeConn(ours, e.Loops()[0], handler(func(c engine.Conn) {
			defer close(done)
			c.SetReadTimeout(time.Second)
			c.SetWriteTimeout(time.Second)
			do(c)
			c.Close()
		}))
		far(theirs)
		<-done
		synctest.Wait()
		if n := e.Loops()[0].BuffersOut(); n != 0 {
			t.Errorf("%d buffers are out", n)
		}
		theirs.Close()
		e.Close()
	})
}

// sent is what do sends.
func sent(t *testing.T, do func(c engine.Conn)) string {
	t.Helper()
	var got []byte
	on(t, do, func(c net.Conn) { got, _ = io.ReadAll(c) })
	return string(got)
}

func request(minor uint8, framing message.Framing, length int64) *message.Request {
	return &message.Request{Head: message.Head{Major: 1, Minor: minor, Framing: framing, Length: length}}
}

// piece is a piece with so much room on both sides.
func piece(head, content string, room int) message.Piece {
	b := append(make([]byte, room), head+content...)
	b = append(b, make([]byte, room)...)
	return message.Piece{Buf: b, From: room, Head: len(head), End: room + len(head) + len(content)}
}

// An answer reads the same, however its parts are divided and whatever room there is.
func TestAnswersAreFramedAlikeHoweverTheyCome(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	trailers := []byte("X-Sum: 1\r\n")
	for _, room := range []int{0, 5, message.FrameRoom, 200} {
		for _, withTrailers := range []bool{false, true} {
			for parts := range 5 {
				got := sent(t, func(conn engine.Conn) {
					var c Client
					c.Bind(conn, nil)
					c.Begin(request(1, message.FramingNone, 0))
					line, lasts := c.Frame(true)
					if line != "Transfer-Encoding: chunked\r\n" || !lasts {
						t.Errorf("framed by %q, lasts %v", line, lasts)
					}
					var end []byte
					if withTrailers {
						end = trailers
					}
					say := func(p message.Piece) {
						var with []byte
						if p.Ended {
							with = end
						}
						if _, err := c.Send(p, with); err != nil {
							t.Error(err)
						}
					}
					switch parts {
					case 0: // all at once
						p := piece(head, "hello world", room)
						p.Ended = true
						say(p)
					case 1:
						say(piece(head, "", room))
						p := piece("", "hello world", room)
						p.Ended = true
						say(p)
					case 2:
						say(piece(head, "hello ", room))
						say(piece("", "world", room))
						say(message.Piece{Ended: true})
					case 3: // content in a buffer of its own
						p := piece(head, "", room)
						p.More = []byte("hello ")
						say(p)
						p = piece("", "wor", room)
						p.More, p.Ended = []byte("ld"), true
						say(p)
					case 4:
						c.WriteHead([]byte(head))
						c.WriteBuffers([]byte("hello "), []byte("wor"))
						c.Write([]byte("ld"))
						say(message.Piece{Ended: true})
					}
				})
				name := fmt.Sprintf("room %d, trailers %v, parts %d", room, withTrailers, parts)
				if !strings.HasPrefix(got, head) {
					t.Fatalf("%s: %q", name, got)
				}
				d := wire.Chunked{Collect: true}
				b := []byte(got[len(head):])
				n, used, fault := d.Decode(b)
				if fault != nil || !d.IsDone() || used != len(b) || string(b[:n]) != "hello world" || withTrailers != bytes.Equal(d.Trailers, trailers) {
					t.Errorf("%s: %q, %v, done %v, trailers %q", name, got, fault, d.IsDone(), d.Trailers)
				}
			}
		}
	}
}

func TestAnswersOfKnownLengthAreSentAsTheyAre(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n"
	got := sent(t, func(conn engine.Conn) {
		var c Client
		c.Bind(conn, nil)
		c.Begin(request(1, message.FramingNone, 0))
		if line, lasts := c.Frame(false); line != "" || !lasts || c.BareOut() != conn {
			t.Errorf("framed by %q, lasts %v", line, lasts)
		}
		p := piece(head, "hello", 0)
		p.More = []byte(" world")
		p.Ended = true
		if n, err := c.Send(p, nil); n != len(head)+11 || err != nil {
			t.Errorf("sent %d, %v", n, err)
		}
		c.Send(message.Piece{Ended: true}, nil)
	})
	if got != head+"hello world" {
		t.Errorf("sent %q", got)
	}
}

func TestAClientOfHTTP10SeesTheEndByTheEndOfTheConnection(t *testing.T) {
	got := sent(t, func(conn engine.Conn) {
		var c Client
		c.Bind(conn, nil)
		r := request(0, message.FramingNone, 0)
		r.Trailers = true
		c.Begin(r)
		if line, lasts := c.Frame(true); line != "" || lasts || c.TakesTrailers() {
			t.Errorf("framed by %q, lasts %v, trailers %v", line, lasts, c.TakesTrailers())
		}
		p := piece("HTTP/1.1 200 OK\r\n\r\n", "x", 50)
		p.Ended = true
		c.Send(p, nil)
	})
	if got != "HTTP/1.1 200 OK\r\n\r\nx" {
		t.Errorf("sent %q", got)
	}
}

func TestAFileIsAChunkWhereContentIsChunked(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.WriteString(strings.Repeat("0123456789", 3000))
	for _, open := range []bool{false, true} {
		got := sent(t, func(conn engine.Conn) {
			var c Client
			c.Bind(conn, nil)
			c.Begin(request(1, message.FramingNone, 0))
			c.Frame(open)
			if n, err := c.SendFile(conn.Loop().Workers(engine.DiskWork, "x"), f, 5, 20_000); n != 20_000 || err != nil {
				t.Errorf("sent %d, %v", n, err)
			}
			c.Send(message.Piece{Ended: true}, nil)
		})
		if open {
			d, b := wire.Chunked{}, []byte(got)
			n, _, fault := d.Decode(b)
			if fault != nil || !d.IsDone() {
				t.Fatalf("%v, done %v", fault, d.IsDone())
			}
			got = string(b[:n])
		}
		if len(got) != 20_000 || !strings.HasPrefix(got, "56789012") {
			t.Errorf("%d bytes: %.20q", len(got), got)
		}
	}
}

// The content of a request ends where its framing says, in one read with it, and what follows is kept.
func TestContentEndsWithItsFramingAndWhatFollowsIsKept(t *testing.T) {
	const next = "GET / HTTP/1.1\r\n"
	for _, one := range []struct {
		name    string
		framing message.Framing
		length  int64
		text    string
		want    string
		rest    string
		err     error
	}{
		{"length", message.FramingLength, 5, "hello" + next, "hello", "", io.EOF},
		{"no content", message.FramingLength, 0, next, "", "", io.EOF},
		{"chunked", message.FramingChunked, 0, "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n" + next, "hello", next, io.EOF},
		{"chunked with trailers", message.FramingChunked, 0, "5\r\nhello\r\n0\r\nX-A: b\r\n\r\n" + next, "hello", next, io.EOF},
		{"cut short", message.FramingLength, 9, "hello", "hello", "", io.ErrUnexpectedEOF},
		{"chunk cut short", message.FramingChunked, 0, "9\r\nhello", "hello", "", io.ErrUnexpectedEOF},
		{"no last chunk", message.FramingChunked, 0, "5\r\nhello\r\n", "hello", "", io.ErrUnexpectedEOF},
		{"malformed", message.FramingChunked, 0, "5\r\nhello\r\nx\r\n", "", "", wire.FaultChunkSize},
	} {
		on(t, func(conn engine.Conn) {
			var rest []byte
			var c Client
			c.Bind(conn, func(b []byte) { rest = append(rest, b...) })
			c.Begin(request(1, one.framing, one.length))
			var got []byte
			var err error
			for b := make([]byte, 100); err == nil; {
				if c.Ended() && c.Owed() != 0 {
					t.Errorf("%s: %d bytes are owed at the end", one.name, c.Owed())
				}
				var n int
				n, err = c.Read(b)
				got = append(got, b[:n]...)
			}
			if string(got) != one.want || !errors.Is(err, one.err) || string(rest) != one.rest || c.Ended() != (one.err == io.EOF) {
				t.Errorf("%s: read %q, %v, ended %v, then %q", one.name, got, err, c.Ended(), rest)
			}
		}, func(c net.Conn) {
			io.WriteString(c, one.text)
			c.(interface{ CloseWrite() error }).CloseWrite()
		})
	}
}

// A connection to a server carries another exchange only if nothing can be taken for the next answer.
func TestAConnectionIsCleanWhenBothMessagesAreWhole(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for text, want := range map[string]struct {
		content string
		clean   bool
	}{
		ok + "Content-Length: 5\r\n\r\nhello":                                {"hello", true},
		ok + "Content-Length: 5\r\n\r\nhello!":                               {"hello", false},
		ok + "Content-Length: 0\r\n\r\n":                                     {"", true},
		ok + "Content-Length: 5\r\nConnection: close\r\n\r\nhello":           {"hello", false},
		ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n":     {"hello", true},
		ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nHTTP": {"hello", false},
		ok + "\r\nhello":                       {"hello", false},
		"HTTP/1.1 204 No Content\r\n\r\n":      {"", true},
		"HTTP/1.1 204 No Content\r\n\r\nhello": {"", false},
		"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + ok + "Content-Length: 5\r\n\r\nhello": {"hello", true},
	} {
		for _, split := range []int{0, 20, len(text) - 1} {
			on(t, func(conn engine.Conn) {
				var s Server
				s.Bind(conn)
				s.WriteRequest([]byte("GET / HTTP/1.1\r\n\r\n"), message.MethodGET, http2.Target{}, false)
				s.Send(message.Piece{Ended: true}, nil)
				var in message.Piece
				in.Empty()
				var r message.Response
				for r.Status < 200 {
					if _, err := s.ReadHead(&r, &in); err != nil {
						t.Errorf("%q: %v", text, err)
						break
					}
				}
				got := append([]byte(nil), in.Content()...)
				for b := make([]byte, 3); ; {
					n, err := s.Read(b)
					if got = append(got, b[:n]...); err != nil {
						break
					}
				}
				conn.Loop().Sleep(time.Millisecond)
				clean := s.IsClean() && conn.IsIdle()
				if string(got) != want.content || !s.Ended() || clean != want.clean && split != len(text)-1 {
					t.Errorf("%q in two at %d: read %q, ended %v, clean %v", text, split, got, s.Ended(), clean)
				}
				conn.Loop().Release(in.Buf)
			}, func(c net.Conn) {
				c.Read(make([]byte, 100))
				io.WriteString(c, text[:split])
				time.Sleep(time.Millisecond / 2)
				io.WriteString(c, text[split:])
				time.Sleep(time.Second / 2)
				c.(interface{ CloseWrite() error }).CloseWrite()
			})
		}
	}
}

// A request leaves in one send where it can, and its trailers only if they were announced.
func TestRequestsAreFramed(t *testing.T) {
	const head = "POST / HTTP/1.1\r\n\r\n"
	for _, one := range []struct {
		open     bool
		content  string
		trailers string
		want     string
	}{
		{false, "hello", "", head + "hello"},
		{false, "", "", head},
		{true, "hello", "", head + "5\r\nhello\r\n0\r\n\r\n"},
		{true, "", "", head + "0\r\n\r\n"},
		{true, "hello", "X-A: 1\r\nX-B: 2\r\n", head + "5\r\nhello\r\n0\r\nX-A: 1\r\n\r\n"},
		{false, strings.Repeat("x", 3*copyMost), "", head + strings.Repeat("x", 3*copyMost)},
	} {
		got := sent(t, func(conn engine.Conn) {
			var s Server
			s.Terms.Announced = func() (names message.Names) { names.Add([]byte("X-A")); return names }
			s.Bind(conn)
			s.WriteRequest(append(make([]byte, 0, 200), head...), message.MethodPOST, http2.Target{}, one.open)
			if s.Send(message.Piece{Buf: []byte(one.content), End: len(one.content), Ended: true}, []byte(one.trailers)); s.IsClean() {
				t.Error("clean without an answer")
			}
		})
		if got != one.want {
			t.Errorf("sent %q, want %q", got, one.want)
		}
	}
}
