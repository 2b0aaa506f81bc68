package http3

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/weir-proxy/weir/wire/http2"
	wire "github.com/weir-proxy/weir/wire/http3"
)

// upgrade is the origin's side of a WebSocket, as far as weir sees it: the handshake, and bytes.
// ended is told how the client's side came to its end.
func upgrade(w http.ResponseWriter, r *http.Request, ended func(error)) {
	if r.Header.Get("Sec-WebSocket-Key") == "" || !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	buffered.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " + accept(r.Header.Get("Sec-WebSocket-Key")) + "\r\n\r\n")
	buffered.Flush()
	_, err = io.Copy(c, buffered)
	ended(err)
}

// frames reads a stream's frames.
type frames struct {
	*bufio.Reader
	left int
}

func (f *frames) next(t *testing.T) (kind uint64) {
	t.Helper()
	head, err := f.Peek(2)
	for n := 3; err == nil; n++ {
		if kind, length, size := wire.ParseHeader(head); size > 0 {
			f.Discard(size)
			f.left = int(length)
			return kind
		}
		head, err = f.Peek(n)
	}
	t.Fatal(err)
	return 0
}

// RFC 9220: a CONNECT with :protocol opens a WebSocket, whose server speaks HTTP/1.1.
func TestWebSocketToAServerOfHTTP1(t *testing.T) {
	w := newWorld(t)
	conn, s, in := w.tunnel()
	defer conn.CloseWithError(0x100, "")
	sent := make([]byte, 3<<20)
	rand.Read(sent)
	go func(s *quicgo.Stream) {
		for rest := sent; len(rest) > 0; {
			n := min(len(rest), 10_000)
			s.Write(frame(wire.FrameData, string(rest[:n])))
			rest = rest[n:]
		}
	}(s)
	var got bytes.Buffer
	for got.Len() < len(sent) {
		if kind := in.next(t); kind != wire.FrameData {
			t.Fatalf("frame %d", kind)
		}
		if _, err := io.CopyN(&got, in, int64(in.left)); err != nil {
			t.Fatalf("after %d bytes: %v", got.Len(), err)
		}
	}
	if !bytes.Equal(got.Bytes(), sent) {
		t.Error("what came back is not what was sent")
	}
	w.reload()
	s.Write(frame(wire.FrameData, "after a reload"))
	if in.next(t); in.left != len("after a reload") {
		t.Errorf("%d bytes after a reload", in.left)
	}
}

// tunnel opens a WebSocket on a connection of its own.
func (w *world) tunnel() (*quicgo.Conn, *quicgo.Stream, *frames) {
	t := w.t
	t.Helper()
	conn := w.raw()
	s, err := conn.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	s.SetDeadline(time.Now().Add(20 * time.Second))
	head := wire.AppendRequest(nil, []byte("GET /ws HTTP/1.1\r\nHost: localhost\r\nSec-WebSocket-Version: 13\r\n\r\n"), http2.Target{Secure: true, Protocol: "websocket"})
	s.Write(frame(wire.FrameHeaders, string(head)))
	in := &frames{Reader: bufio.NewReaderSize(s, 64<<10)}
	if kind := in.next(t); kind != wire.FrameHeaders {
		t.Fatalf("frame %d in place of the answer's head", kind)
	}
	block := make([]byte, in.left)
	io.ReadFull(in, block)
	if status := statusOf(t, block); status != "200" {
		t.Fatalf("status %s", status)
	}
	return conn, s, in
}

// RFC 9114 section 4.4: of a tunnel "only DATA frames are permitted to be sent on the stream. … Receipt of any other known frame type MUST be treated as a connection error
// of type H3_FRAME_UNEXPECTED." Unknown ones are ignored. However the client's side fails, "the proxy … MUST close the TCP connection", with a reset.
func TestRulesOfATunnel(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(s *quicgo.Stream)
		want wire.Code // the connection's end; 0: none
	}{
		"trailers":     {func(s *quicgo.Stream) { s.Write(trailers) }, wire.FrameUnexpected},
		"settings":     {func(s *quicgo.Stream) { s.Write(frame(wire.FrameSettings, "")) }, wire.FrameUnexpected},
		"half a frame": {func(s *quicgo.Stream) { s.Write(wire.AppendHeader(nil, wire.FrameData, 9)); s.Close() }, wire.FrameError},
		"a reset": {func(s *quicgo.Stream) {
			s.CancelWrite(quicgo.StreamErrorCode(wire.RequestCancelled))
			s.CancelRead(0x10c)
		}, 0},
		"an end":           {func(s *quicgo.Stream) { s.Close() }, 0},
		"an unknown frame": {func(s *quicgo.Stream) { s.Write(frame(0x21, "grease")); s.Close() }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			conn, s, in := w.tunnel()
			defer conn.CloseWithError(0x100, "")
			s.Write(frame(wire.FrameData, "content"))
			in.next(t)
			c.do(s)
			wantsReset := c.want != 0 || name == "a reset"
			select {
			case err := <-w.tunnels:
				if (err != nil) != wantsReset {
					t.Errorf("the server's connection ended by %v", err)
				}
			case <-time.After(5 * time.Second):
				t.Error("the server's connection goes on")
			}
			if c.want == 0 {
				if err := conn.Context().Err(); err != nil {
					t.Errorf("the connection has ended: %v", context.Cause(conn.Context()))
				}
				return
			}
			<-conn.Context().Done()
			var e *quicgo.ApplicationError
			if err := context.Cause(conn.Context()); !errors.As(err, &e) || wire.Code(e.ErrorCode) != c.want {
				t.Errorf("ended by %v, want %#x", err, c.want)
			}
		})
	}
}
