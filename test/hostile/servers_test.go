package hostile

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	quicgo "github.com/quic-go/quic-go"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	wire2 "github.com/weir-proxy/weir/wire/http2"
	wire3 "github.com/weir-proxy/weir/wire/http3"
)

// answers is what the servers answer, by path.
type answers struct {
	mu  sync.Mutex
	now letter
}

func (a *answers) set(m letter) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now = m
}

func (a *answers) get() letter {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.now
}

const (
	statusLine = "HTTP/1.1 200 OK"
	interim    = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
)

// serveHTTP1 answers requests by HTTP/1.1.
func serveHTTP1(t *testing.T, a *answers) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r := bufio.NewReaderSize(c, 64<<10)
				for {
					request, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					io.Copy(io.Discard, request.Body)
					m := a.get()
					if m.interims > 0 {
						io.WriteString(c, strings.Repeat(interim, m.interims))
					}
					text := (&letter{fields: append([]string{"Content-Length: 1"}, m.fields...)}).head(statusLine) + "x"
					if m.trailers != nil {
						text = (&letter{fields: append([]string{"Transfer-Encoding: chunked"}, m.fields...)}).head(statusLine) + "1\r\nx\r\n0\r\n" + lines(m.trailers) + "\r\n"
					}
					if _, err := io.WriteString(c, text); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// serveHTTP2 answers requests by HTTP/2 in clear.
func serveHTTP2(t *testing.T, a *answers) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go answerHTTP2(c, a)
		}
	}()
	return l.Addr().String()
}

func answerHTTP2(c net.Conn, a *answers) {
	defer c.Close()
	if _, err := io.ReadFull(c, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	out := &http2Asker{Framer: http2.NewFramer(c, c), conn: c}
	out.AllowIllegalWrites = true
	out.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	out.WriteSettings()
	for {
		f, err := out.ReadFrame()
		if err != nil {
			return
		}
		if s, ok := f.(*http2.SettingsFrame); ok && !s.IsAck() {
			out.WriteSettingsAck()
		}
		h := f.Header()
		if h.Type != http2.FrameData && h.Type != http2.FrameHeaders || !h.Flags.Has(http2.FlagDataEndStream) {
			continue
		}
		m := a.get()
		for range m.interims {
			out.heading(h.StreamID, wire2.AppendResponse(nil, []byte(interim)), false)
		}
		out.heading(h.StreamID, wire2.AppendResponse(nil, []byte(m.head(statusLine))), false)
		out.WriteData(h.StreamID, m.trailers == nil, []byte("x"))
		if m.trailers != nil {
			out.heading(h.StreamID, wire2.AppendFields(nil, []byte(lines(m.trailers))), true)
		}
	}
}

// serveHTTP3 answers requests by HTTP/3, with the certificate in dir.
func serveHTTP3(t *testing.T, a *answers, dir string) string {
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := quicgo.ListenAddr("127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h3"}}, &quicgo.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			go answerHTTP3(c, a)
		}
	}()
	return l.Addr().String()
}

func answerHTTP3(c *quicgo.Conn, a *answers) {
	control, err := c.OpenUniStream()
	if err != nil {
		return
	}
	control.Write(wire3.AppendControl(nil, 1<<20, false))
	for {
		s, err := c.AcceptStream(context.Background())
		if err != nil {
			return
		}
		go func() {
			io.Copy(io.Discard, s)
			m := a.get()
			var b []byte
			for range m.interims {
				b = append(b, section(wire3.AppendResponse(nil, []byte(interim)))...)
			}
			b = append(b, section(wire3.AppendResponse(nil, []byte(m.head(statusLine))))...)
			b = append(wire3.AppendHeader(b, wire3.FrameData, 1), 'x')
			if m.trailers != nil {
				b = append(b, section(wire3.AppendTrailers(nil, []byte(lines(m.trailers))))...)
			}
			s.Write(b)
			s.Close()
		}()
	}
}

// everything is a configuration in which much looks at what peers send.
func everything(server string) string {
	proto := ""
	kind, at, _ := strings.Cut(server, " ")
	switch kind {
	case "http2":
		proto = ", protocol: h2c"
	case "http3":
		proto = ", protocol: http3, tls: { ca: DIR/cert.pem, server_name: localhost }"
	}
	return fmt.Sprintf(`
listeners:
  clear: { address: CLEAR, trusted_proxies: [127.0.0.0/8], forwarded: both }
  secure: { address: SECURE, trusted_proxies: [127.0.0.0/8], forwarded: both, tls: { certificates: [{ cert: DIR/cert.pem, key: DIR/key.pem }] } }
admin: { address: ADMIN, socket: off }
data: DIR/data
logs: { access: off }
pools:
  app: { servers: [%q], persistence: { cookie: stay }%s }
  other: { servers: ["127.0.0.1:9"] }
sites:
  "*":
    /*:
      - match: { headers: { x-none: "~^a+$" }, query: { none: "*" }, methods: [GET] }
        respond: 200
      - split: { app: 100%%, other: 0%%, cookie: part }
        early_hints: on
        grpc_web: on
        request_headers: { set: { x-set: "{header:User-Agent}" }, remove: [x-removed] }
        response_headers: { set: { x-set: "{uri}" }, remove: [x-removed] }
        error_pages: { 404: { html: "<h1>no</h1>", json: "{}", intercept: on } }
`, at, proto)
}
