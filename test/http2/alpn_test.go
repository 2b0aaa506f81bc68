package http2

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// RFC 9113 section 3.2: "The "h2c" protocol identifier MUST NOT be … selected by a server". Section 3.3: "HTTP/2 connections over TLS MUST use protocol negotiation in TLS."
func TestOnlyNegotiableProtocolsAreNegotiated(t *testing.T) {
	at := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") }))
	w := newWorld(t, fmt.Sprintf("pools:\n  app: { servers: [%q] }\nsites:\n  \"*\": app\n", at))
	for _, c := range []struct {
		offered []string
		want    string
	}{{[]string{"h2c"}, ""}, {[]string{"h2c", "http/1.1"}, "http/1.1"}, {[]string{"h2c", "h2"}, "h2"}, {[]string{"http/1.0"}, "http/1.0"}, {[]string{"http/1.0", "http/1.1"}, "http/1.1"}, {nil, ""}} {
		conn, err := tls.Dial("tcp", w.secure, &tls.Config{RootCAs: w.roots, ServerName: "localhost", NextProtos: c.offered})
		if err != nil {
			if c.want != "" {
				t.Errorf("offered %q: %v", c.offered, err)
			}
			continue // RFC 7301 section 3.2: "no_application_protocol"
		}
		if got := conn.ConnectionState().NegotiatedProtocol; got != c.want {
			t.Errorf("offered %q: negotiated %q, want %q", c.offered, got, c.want)
		}
		if c.want == "http/1.0" {
			conn.SetDeadline(time.Now().Add(5 * time.Second))
			io.WriteString(conn, "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
			if answer, err := io.ReadAll(conn); err != nil || !strings.HasSuffix(string(answer), "\r\n\r\nhello") {
				t.Errorf("HTTP/1.0: %q, %v", answer, err)
			}
		}
		if c.want == "" { // a preface that was not agreed on begins nothing
			conn.SetDeadline(time.Now().Add(5 * time.Second))
			io.WriteString(conn, http2.ClientPreface)
			f := http2.NewFramer(conn, conn)
			f.WriteSettings()
			f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, EndStream: true, BlockFragment: []byte{0x82, 0x87, 0x84, 0x01, 9, 'l', 'o', 'c', 'a', 'l', 'h', 'o', 's', 't'}})
			for {
				frame, err := f.ReadFrame()
				if err != nil {
					break
				}
				if _, is := frame.(*http2.HeadersFrame); is {
					t.Error("a request by HTTP/2 was answered that nobody has negotiated")
					break
				}
			}
		}
		conn.Close()
	}
}
