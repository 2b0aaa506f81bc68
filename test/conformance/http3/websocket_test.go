package http3

import (
	"bufio"
	"bytes"
	"crypto/rand"
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
func upgrade(w http.ResponseWriter, r *http.Request) {
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
	io.Copy(c, buffered)
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
	conn := w.raw()
	defer conn.CloseWithError(0x100, "")
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
