package hostile

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	quicgo "github.com/quic-go/quic-go"
	"golang.org/x/net/http2"

	wire2 "github.com/weir-proxy/weir/wire/http2"
	wire3 "github.com/weir-proxy/weir/wire/http3"
)

// asker sends one letter after the other on a connection of one version, and waits for each answer.
type asker interface {
	// ask reports whether the connection can be used on.
	ask(m letter) error
	close()
}

// versions are the clients of each version of HTTP.
var versions = map[string]func(w *world) (asker, error){
	"http1": newHTTP1, "http2": newHTTP2, "http3": newHTTP3,
}

type http1Asker struct {
	conn net.Conn
	r    *bufio.Reader
}

func newHTTP1(w *world) (asker, error) {
	conn, err := net.Dial("tcp", w.at["CLEAR"])
	if err != nil {
		return nil, err
	}
	return &http1Asker{conn, bufio.NewReader(conn)}, nil
}

func (a *http1Asker) close() { a.conn.Close() }

var errClosed = errors.New("closed")

func (a *http1Asker) ask(m letter) error {
	a.conn.SetDeadline(time.Now().Add(20 * time.Second))
	method := "GET"
	fields := append([]string{"Host: localhost"}, m.fields...)
	tail := ""
	if m.trailers != nil {
		method = "POST"
		fields = append(fields, "Transfer-Encoding: chunked")
		tail = "1\r\nx\r\n0\r\n" + lines(m.trailers) + "\r\n"
	}
	head := (&letter{fields: fields}).head(method + " " + targetOf(m) + " HTTP/1.1")
	if _, err := io.WriteString(a.conn, head+tail); err != nil {
		return err
	}
	response, err := http.ReadResponse(a.r, &http.Request{Method: method})
	if err != nil {
		return err
	}
	if _, err = io.Copy(io.Discard, response.Body); err == nil && response.Close {
		err = errClosed
	}
	return err
}

func targetOf(m letter) string {
	if m.target == "" {
		return "/"
	}
	return m.target
}

type http2Asker struct {
	*http2.Framer
	conn net.Conn
	next uint32
}

func newHTTP2(w *world) (asker, error) {
	conn, err := net.Dial("tcp", w.at["CLEAR"])
	if err != nil {
		return nil, err
	}
	return beginHTTP2(conn), nil
}

func beginHTTP2(conn net.Conn) *http2Asker {
	a := &http2Asker{Framer: http2.NewFramer(conn, conn), conn: conn, next: 1}
	a.AllowIllegalWrites = true
	io.WriteString(conn, http2.ClientPreface)
	a.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 24})
	a.WriteWindowUpdate(0, 1<<30)
	return a
}

func (a *http2Asker) close() { a.conn.Close() }

// heading writes a block, in as many frames as it takes.
func (a *http2Asker) heading(id uint32, block []byte, end bool) error {
	first := true
	for first || len(block) > 0 {
		n := min(len(block), 16000)
		var err error
		if first {
			err = a.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block[:n], EndStream: end, EndHeaders: n == len(block)})
		} else {
			err = a.WriteContinuation(id, n == len(block), block[:n])
		}
		if err != nil {
			return err
		}
		block, first = block[n:], false
	}
	return nil
}

func (a *http2Asker) ask(m letter) error {
	a.conn.SetDeadline(time.Now().Add(20 * time.Second))
	id := a.next
	a.next += 2
	method := "GET"
	if m.trailers != nil {
		method = "POST"
	}
	head := (&letter{fields: append([]string{"Host: localhost"}, m.fields...)}).head(method + " " + targetOf(m) + " HTTP/1.1")
	if err := a.heading(id, wire2.AppendRequest(nil, []byte(head), wire2.Target{}), m.trailers == nil); err != nil {
		return err
	}
	if m.trailers != nil {
		a.WriteData(id, false, []byte("content"))
		if err := a.heading(id, wire2.AppendFields(nil, []byte(lines(m.trailers))), true); err != nil {
			return err
		}
	}
	return a.await(id)
}

// await reads until the stream has ended.
func (a *http2Asker) await(id uint32) error {
	for {
		f, err := a.ReadFrame()
		if err != nil {
			return err
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				a.WriteSettingsAck()
			}
		case *http2.GoAwayFrame:
			return fmt.Errorf("goaway: %v %s", f.ErrCode, f.DebugData())
		case *http2.RSTStreamFrame:
			if f.StreamID == id {
				return nil
			}
		}
		h := f.Header()
		if h.StreamID == id && h.Flags.Has(http2.FlagDataEndStream) && (h.Type == http2.FrameData || h.Type == http2.FrameHeaders) {
			return nil
		}
	}
}

type http3Asker struct{ conn *quicgo.Conn }

func newHTTP3(w *world) (asker, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := quicgo.DialAddr(ctx, w.at["SECURE"], &tls.Config{RootCAs: w.roots, NextProtos: []string{"h3"}, ServerName: "localhost"}, &quicgo.Config{})
	if err != nil {
		return nil, err
	}
	control, err := conn.OpenUniStream()
	if err != nil {
		return nil, err
	}
	control.Write(wire3.AppendControl(nil, 1<<20, false))
	return &http3Asker{conn}, nil
}

func (a *http3Asker) close() { a.conn.CloseWithError(quicgo.ApplicationErrorCode(wire3.NoError), "") }

func section(block []byte) []byte {
	return append(wire3.AppendHeader(nil, wire3.FrameHeaders, len(block)), block...)
}

func (a *http3Asker) ask(m letter) error {
	s, err := a.conn.OpenStreamSync(a.conn.Context())
	if err != nil {
		return err
	}
	s.SetDeadline(time.Now().Add(20 * time.Second))
	method := "GET"
	if m.trailers != nil {
		method = "POST"
	}
	head := (&letter{fields: append([]string{"Host: localhost"}, m.fields...)}).head(method + " " + targetOf(m) + " HTTP/1.1")
	b := section(wire3.AppendRequest(nil, []byte(head), wire2.Target{Secure: true}))
	if m.trailers != nil {
		b = append(wire3.AppendHeader(b, wire3.FrameData, 1), 'x')
		b = append(b, section(wire3.AppendTrailers(nil, []byte(lines(m.trailers))))...)
	}
	s.Write(b)
	s.Close()
	_, err = io.Copy(io.Discard, s)
	var reset *quicgo.StreamError
	if errors.As(err, &reset) {
		err = nil
	}
	return err
}
