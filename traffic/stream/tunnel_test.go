package stream

import (
	"io"
	"net"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"

	"github.com/weir-proxy/weir/engine"
	wire "github.com/weir-proxy/weir/wire/http2"
	"github.com/weir-proxy/weir/wire/message"
)

// RFC 9113 section 8.5: "Frame types other than DATA or stream management frames (RST_STREAM, WINDOW_UPDATE, and PRIORITY) MUST NOT be sent on a connected stream and MUST
// be treated as a stream error (Section 5.4.2) if received."
func TestATunnelHasNoTrailers(t *testing.T) {
	trailers := func() []byte { e := hpackBlock{}; return e.encode("x-trailer", "1") }()
	synctest.Test(t, func(t *testing.T) {
		r := &reading{got: map[uint32]string{}, end: map[uint32]error{}}
		p, _ := meetFor(t, r)
		p.begin()
		e := hpackBlock{}
		p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true,
			BlockFragment: e.encode(":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":authority", "a", ":path", "/")})
		p.WriteData(1, false, []byte("content"))
		p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, EndStream: true, BlockFragment: trailers})
		pass(0)
		if r.got[1] != "content" || r.end[1] == nil || r.end[1] == io.EOF || p.closed {
			t.Errorf("read %q, %v; connection closed %v", r.got[1], r.end[1], p.closed)
		}
		if p.resets[1] != http2.ErrCodeProtocol {
			t.Errorf("reset by %v", p.resets)
		}
	})
}

// tunnelling asks a server for a tunnel and reads what comes by it.
type tunnelling struct {
	owner
	got string
	end error
}

func (k *tunnelling) Serve(c engine.Conn) {
	s := Connect(c, testConfig, k, 0).Open()
	s.WriteRequest([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), message.MethodGET, wire.Target{Protocol: "websocket"}, false)
	var in message.Piece
	s.ReadHead(&message.Response{}, &in)
	k.got = string(in.Content())
	b := make([]byte, 100)
	for k.end == nil {
		var n int
		n, k.end = s.Read(b)
		k.got += string(b[:n])
	}
}

func TestATunnelToAServerHasNoTrailers(t *testing.T) {
	for status, want := range map[string]bool{"200": false, "404": true} {
		synctest.Test(t, func(t *testing.T) {
			e, err := engine.New(engine.Config{Loops: 1, Portable: true, Log: t.Logf})
			if err != nil {
				t.Fatal(err)
			}
			near, far := net.Pipe()
			k := &tunnelling{}
			p := &peer{Framer: http2.NewFramer(far, far), conn: far}
			go func() {
				io.ReadFull(far, make([]byte, len(http2.ClientPreface)))
				p.read()
			}()
			e.ServeConn(near, e.Loops()[0], k)
			p.WriteSettings()
			head, trailers := hpackBlock{}, hpackBlock{}
			p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, BlockFragment: head.encode(":status", status)})
			p.WriteData(1, false, []byte("content"))
			p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, EndStream: true, BlockFragment: trailers.encode("x-trailer", "1")})
			pass(0)
			if k.got != "content" || (k.end == io.EOF) != want || (p.resets[1] == http2.ErrCodeProtocol) == want {
				t.Errorf("status %s: read %q, %v; reset by %v", status, k.got, k.end, p.resets)
			}
			far.Close()
			pass(0)
			e.Close()
		})
	}
}
